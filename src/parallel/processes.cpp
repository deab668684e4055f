#include "parallel/processes.h"

#include <c10/util/Logging.h>
#include <fmt/format.h>

#include <cstdlib>
#include <exception>
#include <stdexcept>
#include <thread>
#include <torch/csrc/distributed/c10d/PrefixStore.hpp>
#include <utility>
#include <vector>

#include "lorentznet/error.h"
#include "parallel/backends.h"
#include "parallel/joining.h"
#include "parallel/watch.h"

namespace lorentznet {
namespace {

/// All ranks must have joined within so many times the timeout of an answer: five minutes by
/// default.
constexpr int kJoinFactor = 5;
/// Of a sum. The Watch finds a rank that is gone or stopped; this is for one that is busy, reading
/// data for instance.
constexpr std::chrono::seconds kOperationTimeout{3600};

/// How long a rank polls before it sleeps: longer than the ranks differ in a step, because waking
/// up on an idle core takes longer than a sum of batch norm.
constexpr std::chrono::milliseconds kAwake{20};

/// Waits for work on `tensor`, and yields the core to the threads that do it. Work of a GPU is only
/// put into its queue.
void await(c10d::Work& work, const at::Tensor& tensor) {
  const auto until = std::chrono::steady_clock::now() + kAwake;
  while (tensor.is_cpu() && !work.isCompleted() && std::chrono::steady_clock::now() < until) {
    std::this_thread::yield();
  }
  work.wait();
}

bool is_loopback(const std::string& address) {
  return address == "localhost" || address == "::1" || address.starts_with("127.");
}

/// What LibTorch prints of a connection that breaks, a page each, says less than the error that
/// this run then ends with. TORCH_CPP_LOG_LEVEL in the environment keeps it.
void silence_torch() {
  static const bool silent = [] {  // once: tests have ranks in threads
    constexpr int kErrorsOnly = 2;
    if (std::getenv("TORCH_CPP_LOG_LEVEL") == nullptr) FLAGS_caffe2_log_level = kErrorsOnly;
    return true;
  }();
  static_cast<void>(silent);
}

StorePointer with_prefix(const std::string& prefix, const StorePointer& store) {
  return c10::make_intrusive<c10d::PrefixStore>(prefix, store);
}

/// Connects all ranks, which have joined. \param patience  of the connections
BackendPointer connect_gloo(const Place& place, std::chrono::seconds patience) {
  BackendPointer gloo;
  try {
    gloo = make_gloo(place, patience);
  } catch (const InputError&) {
    throw;
  } catch (const std::exception& error) {
    const auto* const of_torch = dynamic_cast<const c10::Error*>(&error);
    throw std::runtime_error(fmt::format(
        "the ranks can't connect to each other within {} s (GLOO_SOCKET_IFNAME chooses "
        "the network interface): {}",
        patience.count(), of_torch != nullptr ? of_torch->what_without_backtrace() : error.what()));
  }
  gloo->setTimeout(kOperationTimeout);
  return gloo;
}

}  // namespace

class Processes::Ranks final : public Communicator {
 public:
  Ranks(const Place& place, BackendPointer gloo)
      : rank_(place.rank), size_(place.size), gloo_(std::move(gloo)) {}

  std::int64_t rank() const override { return rank_; }
  std::int64_t size() const override { return size_; }
  void sum(const at::Tensor& tensor) const override {
    std::vector<at::Tensor> tensors{tensor};
    await(*backend_of(tensor).allreduce(tensors), tensor);
  }
  void broadcast(const at::Tensor& tensor) const override {
    std::vector<at::Tensor> tensors{tensor};
    await(*backend_of(tensor).broadcast(tensors), tensor);
  }
  void use(BackendPointer nccl) { nccl_ = std::move(nccl); }

  /// Ends all connections. \param in_order  the other ranks do, too; else some may be gone
  void close(bool in_order) {
    if (nccl_ != nullptr) {
      if (in_order) {
        nccl_->shutdown();
      } else {
        nccl_->abort();
      }
    }
    nccl_.reset();
    gloo_.reset();
  }

 private:
  c10d::Backend& backend_of(const at::Tensor& tensor) const {
    TORCH_CHECK(gloo_ != nullptr, "the processes of the run have ended");
    if (tensor.is_cpu()) return *gloo_;
    TORCH_CHECK(nccl_ != nullptr, "no backend for tensors on ", tensor.device());
    return *nccl_;
  }

  std::int64_t rank_, size_;
  BackendPointer gloo_, nccl_;
};

struct Processes::Network {
  StorePointer notes;
  Place place = {};
  std::shared_ptr<Ranks> ranks = {};  ///< null: the only rank, below torchrun
  std::unique_ptr<Watch> watch = {};  ///< null, too

  /// Ends the watch, then the ranks' own connections.
  void close(bool in_order) {
    watch.reset();
    ranks->close(in_order);
  }
  /// The place with a part of the store of its own.
  Place part(const std::string& name) const {
    auto copy = place;
    copy.store = with_prefix(name, place.store);
    return copy;
  }
};

Processes::Processes(const Launch& launch, std::chrono::seconds timeout, OnEnd on_end)
    : launch_(launch), patience_(kJoinFactor * timeout) {
  if (!launch.connects()) return;
  silence_torch();
  const auto store = with_prefix("lorentznet", connect_store(launch, patience_));
  network_.reset(new Network{.notes = with_prefix("notes", store)});
  if (launch.size == 1) return;
  network_->place = {.store = with_prefix(fmt::format("attempt-{}", launch.restarts), store),
                     .rank = launch.rank,
                     .size = launch.size,
                     .one_machine = is_loopback(launch.address)};
  call_roll(network_->part("roll").store, launch, patience_);
  network_->ranks =
      std::make_shared<Ranks>(network_->place, connect_gloo(network_->part("sums"), patience_));
  communicator_ = network_->ranks;
  network_->watch = std::make_unique<Watch>(connect_gloo(network_->part("watch"), patience_),
                                            network_->place, timeout, std::move(on_end));
}

Processes::~Processes() {
  if (network_ != nullptr && network_->watch != nullptr) network_->close(/*in_order=*/false);
}

void Processes::use(const c10::Device& device) {
  if (communicator_->size() == 1) return;
  check_devices(exchange_texts(network_->part("devices"), describe_device(device), patience_));
  if (device.is_cpu()) return;
  network_->ranks->use(make_nccl(network_->part("nccl"), kOperationTimeout, device));
}

void Processes::write_note(const std::string& name, const std::string& text) {
  if (network_ == nullptr || launch_.rank != 0) return;
  network_->notes->set(name, std::vector<std::uint8_t>(text.begin(), text.end()));
}

std::optional<std::string> Processes::read_note(const std::string& name) {
  if (network_ == nullptr || !network_->notes->check({name})) return std::nullopt;
  const auto text = network_->notes->get(name);
  return std::string(text.begin(), text.end());
}

Ending Processes::fail(std::int64_t status) {
  if (communicator_->size() == 1) {
    return {.kind = Ending::Kind::kFailed, .rank = launch_.rank, .status = status};
  }
  const auto ending = network_->watch->fail(status);
  network_->close(/*in_order=*/false);
  return ending;
}

void Processes::finish() {
  if (communicator_->size() == 1) return;
  network_->watch->finish();
  network_->close(/*in_order=*/true);
}

}  // namespace lorentznet
