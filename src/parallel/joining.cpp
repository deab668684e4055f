#include "parallel/joining.h"

#include <fmt/format.h>
#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <map>
#include <memory>
#include <stdexcept>
#include <thread>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>

#include "lorentznet/error.h"

namespace lorentznet {
namespace {

using JoinClock = std::chrono::steady_clock;

/// Rank 0 finds out who is missing, so the others have to wait longer than it does.
constexpr std::chrono::seconds kRollMargin{5};
/// Until the others have read who is missing from rank 0's store.
constexpr std::chrono::seconds kFarewell{5};

constexpr const char* kRoll = "roll";  ///< rank 0's result: who is missing
constexpr const char* kAllHere = "all";

using RankList = std::vector<std::int64_t>;

/// "rank 1", "ranks 1 and 3", "ranks 1, 2, 3 and 40 more"
std::string list_ranks(const RankList& ranks) {
  constexpr std::size_t kMost = 10;
  std::string text = ranks.size() == 1 ? "rank " : "ranks ";
  for (std::size_t k = 0; k < ranks.size(); ++k) {
    if (k == kMost) return text + fmt::format(" and {} more", ranks.size() - kMost);
    if (k > 0) text += k + 1 == ranks.size() ? " and " : ", ";
    text += std::to_string(ranks[k]);
  }
  return text;
}

std::vector<std::uint8_t> bytes_of(const std::string& text) { return {text.begin(), text.end()}; }

std::string read_text(c10d::Store& store, const std::string& key) {
  const auto bytes = store.get(key);
  return {bytes.begin(), bytes.end()};
}

std::string key_of_rank(const std::string& what, std::int64_t rank) {
  return what + "-" + std::to_string(rank);
}

/// Asks again and again, since the store's own wait() prints when it ends in vain.
/// \return whether all of `keys` are there before `until`
bool await_keys(c10d::Store& store, const std::vector<std::string>& keys,
                JoinClock::time_point until) {
  constexpr std::chrono::milliseconds kFirstPause{2}, kLongestPause{200};
  for (auto pause = kFirstPause; !store.check(keys); pause = std::min(2 * pause, kLongestPause)) {
    if (JoinClock::now() >= until) return false;
    std::this_thread::sleep_for(pause);
  }
  return true;
}

/// Waits until each rank has written `what`. \return those that have not after `patience`
RankList await_ranks(c10d::Store& store, const std::string& what, std::int64_t size,
                     std::chrono::seconds patience) {
  std::vector<std::string> keys;
  for (std::int64_t rank = 0; rank < size; ++rank) keys.push_back(key_of_rank(what, rank));
  RankList missing;
  if (await_keys(store, keys, JoinClock::now() + patience)) return missing;
  for (std::int64_t rank = 0; rank < size; ++rank) {
    if (!store.check({key_of_rank(what, rank)})) missing.push_back(rank);
  }
  return missing;
}

[[noreturn]] void throw_missing(const std::string& missing, std::int64_t size,
                                std::chrono::seconds patience) {
  throw std::runtime_error(
      fmt::format("{} of {} never came: not started, or without a connection, for {} s (see "
                  "--timeout)",
                  missing, size, patience.count()));
}

/// Whether something listens at `address`.
bool answers(const addrinfo& address) {
  constexpr int kMilliseconds = 2000;
  const int handle = ::socket(address.ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (handle < 0) return false;
  int error = 0;
  if (::connect(handle, address.ai_addr, address.ai_addrlen) != 0) {
    error = errno;
    pollfd connected{.fd = handle, .events = POLLOUT, .revents = 0};
    socklen_t size = sizeof error;
    if (error == EINPROGRESS && ::poll(&connected, 1, kMilliseconds) == 1) {
      ::getsockopt(handle, SOL_SOCKET, SO_ERROR, &error, &size);
    }
  }
  ::close(handle);
  return error == 0;
}

/// Returns when the host of rank 0 is known and, if `listens`, something listens there. The name
/// may become known only when that machine starts.
void await_host(const Launch& launch, bool listens, std::chrono::seconds patience) {
  const auto until = JoinClock::now() + patience;
  const auto port = std::to_string(launch.port);
  for (;;) {
    addrinfo hints{}, *found = nullptr;
    hints.ai_socktype = SOCK_STREAM;
    const int error = getaddrinfo(launch.address.c_str(), port.c_str(), &hints, &found);
    const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> addresses(found, freeaddrinfo);
    bool reached = error == 0 && !listens;
    for (auto* one = error == 0 ? found : nullptr; one != nullptr; one = one->ai_next) {
      reached = reached || answers(*one);
    }
    if (reached) return;
    if (JoinClock::now() < until) {
      std::this_thread::sleep_for(std::chrono::milliseconds(500));
      continue;
    }
    if (error != 0) {
      throw InputError(
          fmt::format("the host of rank 0, '{}' (MASTER_ADDR), has no address: {}, for "
                      "{} s (see --timeout)",
                      launch.address, gai_strerror(error), patience.count()));
    }
    throw std::runtime_error(fmt::format(
        "{} at {}:{} (MASTER_ADDR, MASTER_PORT) for {} s (see --timeout)",
        launch.agent_store ? "torchrun does not answer" : "rank 0 never came: nothing answers",
        launch.address, launch.port, patience.count()));
  }
}

/// Tells the ranks that are there who is missing, before the store ends with this process.
void tell_missing(c10d::Store& store, const Launch& launch, const RankList& missing) {
  store.set(kRoll, bytes_of(list_ranks(missing)));
  const auto until = JoinClock::now() + kFarewell;
  for (std::int64_t rank = 1; rank < launch.size; ++rank) {
    if (std::find(missing.begin(), missing.end(), rank) != missing.end()) continue;
    await_keys(store, {key_of_rank("read", rank)}, until);  // else it finds that rank 0 is gone
  }
}

}  // namespace

StorePointer connect_store(const Launch& launch, std::chrono::seconds patience) {
  const bool serves = launch.rank == 0 && !launch.agent_store;
  await_host(launch, /*listens=*/!serves, patience);
  c10d::TCPStoreOptions options;
  options.port = launch.port;
  options.isServer = serves;
  options.waitWorkers = false;
  options.timeout = patience;
  return c10::make_intrusive<c10d::TCPStore>(serves ? "127.0.0.1" : launch.address, options);
}

void call_roll(const StorePointer& store, const Launch& launch, std::chrono::seconds patience) {
  if (launch.rank == 0) {
    store->set(key_of_rank("here", 0), bytes_of(kAllHere));
    const auto missing = await_ranks(*store, "here", launch.size, patience);
    if (missing.empty()) return store->set(kRoll, bytes_of(kAllHere));
    tell_missing(*store, launch, missing);
    throw_missing(list_ranks(missing), launch.size, patience);
  }
  auto missing = list_ranks({0});
  try {
    store->set(key_of_rank("here", launch.rank), bytes_of(kAllHere));
    if (await_keys(*store, {kRoll}, JoinClock::now() + patience + kRollMargin)) {
      missing = read_text(*store, kRoll);
      if (missing == kAllHere) return;
      store->set(key_of_rank("read", launch.rank), bytes_of(kAllHere));
    }
  } catch (const c10::Error&) {  // whoever has the store is gone, perhaps after it has told who is
                                 // missing
    if (missing != list_ranks({0})) throw_missing(missing, launch.size, patience);
    throw std::runtime_error(fmt::format("{} ended before all {} ranks had joined",
                                         launch.agent_store ? "torchrun" : "rank 0", launch.size));
  }
  throw_missing(missing, launch.size, patience);
}

std::vector<std::string> exchange_texts(const Place& place, const std::string& text,
                                        std::chrono::seconds patience) {
  place.store->set(key_of_rank("text", place.rank), bytes_of(text));
  const auto missing = await_ranks(*place.store, "text", place.size, patience);
  if (!missing.empty()) throw_missing(list_ranks(missing), place.size, patience);
  std::vector<std::string> texts;
  for (std::int64_t rank = 0; rank < place.size; ++rank) {
    texts.push_back(read_text(*place.store, key_of_rank("text", rank)));
  }
  return texts;
}

std::string describe_device(const c10::Device& device) {
  if (device.is_cpu()) return "cpu";
  return device.str() + " " + gpu_identity(device);
}

void check_devices(const std::vector<std::string>& devices) {
  RankList on_cpu, on_any_gpu;
  std::map<std::string, RankList> on_gpu;  // by identity, which follows the name
  for (std::size_t rank = 0; rank < devices.size(); ++rank) {
    const auto& device = devices[rank];
    const auto number = static_cast<std::int64_t>(rank);
    if (device == "cpu") {
      on_cpu.push_back(number);
      continue;
    }
    on_any_gpu.push_back(number);
    on_gpu[device.substr(device.find(' ') + 1)].push_back(number);
  }
  if (!on_cpu.empty() && !on_any_gpu.empty()) {
    throw InputError(fmt::format(
        "{} {} no GPU, {} {}: each rank needs one that it can use, or all of them --device cpu",
        list_ranks(on_cpu), on_cpu.size() == 1 ? "has" : "have", list_ranks(on_any_gpu),
        on_any_gpu.size() == 1 ? "has" : "have"));
  }
  for (const auto& [identity, ranks] : on_gpu) {
    if (ranks.size() == 1) continue;
    const auto& device = devices[static_cast<std::size_t>(ranks.front())];
    throw InputError(fmt::format("{} have the same GPU ({}): each rank needs one of its own",
                                 list_ranks(ranks), device));
  }
}

}  // namespace lorentznet
