#include "parallel/processes.h"

#include <fmt/format.h>

#include <thread>
#include <torch/csrc/distributed/c10d/PrefixStore.hpp>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>
#include <utility>
#include <vector>

namespace lorentznet {
namespace {

/// For all ranks to come.
constexpr std::chrono::seconds kJoinTimeout{300};
/// Of a sum. A rank that is gone or stopped is found by the Watch; this is for one that is there
/// and does something else, reading data for instance.
constexpr std::chrono::seconds kOperationTimeout{3600};

/// How long a rank stays awake for the others: longer than what parts them in a step. Whoever
/// sleeps on a core without other work takes longer to wake up than a sum of batch norm takes.
constexpr std::chrono::milliseconds kAwake{20};

/// Waits for work on `tensor`, and leaves the core to the threads that do it. A GPU's is only put
/// into its queue.
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

StorePointer make_store(const Launch& launch) {
  c10d::TCPStoreOptions options;
  options.port = launch.port;
  options.isServer = launch.rank == 0 && !launch.agent_store;
  options.waitWorkers = false;
  options.timeout = kJoinTimeout;
  return c10::make_intrusive<c10d::TCPStore>(launch.address, options);
}

StorePointer with_prefix(const std::string& prefix, const StorePointer& store) {
  return c10::make_intrusive<c10d::PrefixStore>(prefix, store);
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
    await(*of(tensor).allreduce(tensors), tensor);
  }
  void broadcast(const at::Tensor& tensor) const override {
    std::vector<at::Tensor> tensors{tensor};
    await(*of(tensor).broadcast(tensors), tensor);
  }
  void use(BackendPointer nccl) { nccl_ = std::move(nccl); }

 private:
  c10d::Backend& of(const at::Tensor& tensor) const {
    if (tensor.is_cpu()) return *gloo_;
    TORCH_CHECK(nccl_ != nullptr, "ranks can't talk through ", tensor.device());
    return *nccl_;
  }

  std::int64_t rank_, size_;
  BackendPointer gloo_, nccl_;
};

Processes::Processes(const Launch& launch, std::chrono::seconds timeout, Watch::OnEnd on_end)
    : launch_(launch) {
  if (!launch.connects()) return;
  const auto store = with_prefix("lorentznet", make_store(launch));
  notes_ = with_prefix("notes", store);
  if (launch.size == 1) return;
  place_ = {.store = with_prefix(fmt::format("attempt-{}", launch.restarts), store),
            .rank = launch.rank,
            .size = launch.size,
            .one_machine = is_loopback(launch.address)};
  const auto part = [this](const std::string& name) {
    auto place = place_;
    place.store = with_prefix(name, place_.store);
    return place;
  };
  ranks_ = std::make_shared<Ranks>(place_, make_gloo(part("sums"), kOperationTimeout));
  communicator_ = ranks_;
  watch_ = std::make_unique<Watch>(make_gloo(part("watch"), kOperationTimeout), place_, timeout,
                                   std::move(on_end));
}

void Processes::use(const c10::Device& device) {
  if (ranks_ == nullptr || device.is_cpu()) return;
  auto place = place_;
  place.store = with_prefix("nccl", place_.store);
  ranks_->use(make_nccl(place, kOperationTimeout, device));
}

void Processes::write_note(const std::string& name, const std::string& text) {
  if (notes_ != nullptr && launch_.rank == 0) {
    notes_->set(name, std::vector<std::uint8_t>(text.begin(), text.end()));
  }
}

std::optional<std::string> Processes::read_note(const std::string& name) {
  if (notes_ == nullptr || !notes_->check({name})) return std::nullopt;
  const auto text = notes_->get(name);
  return std::string(text.begin(), text.end());
}

Ending Processes::fail(std::int64_t status) {
  const Ending own{.kind = Ending::Kind::kFailed, .rank = launch_.rank, .status = status};
  return watch_ == nullptr ? own : watch_->fail(status);
}

void Processes::finish() {
  if (watch_ != nullptr) watch_->finish();
}

}  // namespace lorentznet
