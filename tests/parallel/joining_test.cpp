// How ranks find each other, who is named if one is missing, and how their connections end.
#include "parallel/joining.h"

#include <ATen/ops/ones.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <cstdio>
#include <filesystem>
#include <future>
#include <thread>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>

#include "gloo_ranks.h"
#include "lorentznet/error.h"

using namespace lorentznet;
using namespace lorentznet::test;
using Catch::Contains;

namespace {

/// What becomes of `rank` of `size` that starts now; empty: it has joined.
std::future<std::string> start_rank(std::int64_t rank, std::int64_t size, std::uint16_t port,
                                    bool agent_store) {
  return std::async(std::launch::async, [=]() -> std::string {
    Launch launch;
    launch.rank = rank;
    launch.size = size;
    launch.address = "127.0.0.1";
    launch.port = port;
    launch.agent_store = agent_store;
    try {
      Processes(launch, std::chrono::seconds(1), [](const Ending&) { std::abort(); });
      return "";
    } catch (const std::exception& error) {
      return error.what();
    }
  });
}

/// A store like torchrun's.
c10::intrusive_ptr<c10d::TCPStore> make_store() {
  c10d::TCPStoreOptions options;
  options.port = 0;  // any that is free
  options.isServer = true;
  options.waitWorkers = false;
  return c10::make_intrusive<c10d::TCPStore>("127.0.0.1", options);
}

/// A port that is given to nobody else meanwhile: something is bound to it, but does not listen.
/// Without that a connection of another test, or of the rank that asks whether somebody listens
/// there, might get it.
class FreePort {
 public:
  FreePort() : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    const int on = 1;  // rank 0 may listen there nevertheless
    ::setsockopt(socket_, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    address_.sin_family = AF_INET;
    address_.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    REQUIRE(::bind(socket_, reinterpret_cast<sockaddr*>(&address_), sizeof address_) == 0);
    socklen_t size = sizeof address_;
    REQUIRE(::getsockname(socket_, reinterpret_cast<sockaddr*>(&address_), &size) == 0);
  }
  ~FreePort() { ::close(socket_); }
  FreePort(const FreePort&) = delete;
  FreePort& operator=(const FreePort&) = delete;

  std::uint16_t number() const { return ntohs(address_.sin_port); }

 private:
  int socket_;
  sockaddr_in address_{};
};

std::int64_t open_sockets() {
  std::int64_t count = 0;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    std::error_code gone;
    const auto target = std::filesystem::read_symlink(entry.path(), gone).string();
    if (!gone && target.starts_with("socket:")) ++count;
  }
  return count;
}

/// What this process prints to stderr meanwhile, which is in a file.
class Stderr {
 public:
  Stderr() : stderr_(::dup(STDERR_FILENO)), file_(std::tmpfile()) {
    ::dup2(::fileno(file_), STDERR_FILENO);
  }
  ~Stderr() {
    ::dup2(stderr_, STDERR_FILENO);
    ::close(stderr_);
    std::fclose(file_);
  }
  Stderr(const Stderr&) = delete;
  Stderr& operator=(const Stderr&) = delete;

  std::string text() const {
    std::string bytes(1 << 16, '\0');
    const auto count = ::pread(::fileno(file_), bytes.data(), bytes.size(), 0);
    return bytes.substr(0, static_cast<std::size_t>(std::max<ssize_t>(count, 0)));
  }

 private:
  int stderr_;
  std::FILE* file_;
};

}  // namespace

TEST_CASE("ranks that never come are named by all that are there, in time", "[alone]") {
  const auto start = std::chrono::steady_clock::now();
  const FreePort port;
  auto zero = start_rank(0, 4, port.number(), false), two = start_rank(2, 4, port.number(), false);
  for (auto* rank : {&zero, &two}) {
    CHECK_THAT(rank->get(), Contains("ranks 1 and 3 of 4 never came") && Contains("for 5 s"));
  }
  CHECK(std::chrono::steady_clock::now() - start < std::chrono::seconds(60));
}

TEST_CASE("a rank 0 that never comes is named, with and without torchrun's store", "[alone]") {
  const FreePort port;
  auto alone = start_rank(1, 2, port.number(), false);
  const auto store = make_store();
  auto with_agent = start_rank(1, 2, store->getPort(), true);
  CHECK_THAT(alone.get(), Contains("rank 0 never came") &&
                              Contains("127.0.0.1:" + std::to_string(port.number())) &&
                              Contains("5 s"));
  CHECK_THAT(with_agent.get(), Contains("rank 0 of 2 never came"));
}

TEST_CASE("who ends while the ranks join is named, at once and in one line") {
  for (const bool agent_store : {false, true}) {
    const Stderr printed;
    auto store = make_store();
    auto rank = start_rank(1, 3, store->getPort(), agent_store);
    store->wait({"lorentznet/attempt-0/roll/here-1"}, std::chrono::minutes(10));
    store.reset();
    CHECK(rank.get() == (agent_store ? "torchrun" : "rank 0") +
                            std::string(" ended before all 3 ranks had joined"));
    CHECK(printed.text() == "");
  }
}

TEST_CASE("a host of rank 0 without an address is named", "[alone]") {
  Launch launch;
  launch.size = 2;
  launch.address = "no-such-host.invalid";
  launch.port = 29500;
  for (const std::int64_t rank : {0, 1}) {
    launch.rank = rank;
    CHECK_THROWS_AS(connect_store(launch, std::chrono::seconds(1)), InputError);
    CHECK_THROWS_WITH(connect_store(launch, std::chrono::seconds(1)),
                      Contains("'no-such-host.invalid' (MASTER_ADDR)") && Contains("1 s"));
  }
}

TEST_CASE("devices of ranks that can't work together are refused") {
  check_devices({"cpu", "cpu"});
  check_devices({"cuda:0 a GPU-1", "cuda:1 a GPU-2", "cuda:0 b GPU-1"});
  const auto refused = [](const std::vector<std::string>& devices, const std::string& text) {
    CHECK_THROWS_AS(check_devices(devices), InputError);
    CHECK_THROWS_WITH(check_devices(devices), Contains(text));
  };
  refused({"cuda:0 a GPU-1", "cpu", "cuda:1 a GPU-2"}, "rank 1 has no GPU, ranks 0 and 2 have");
  refused({"cpu", "cuda:0 a GPU-1", "cpu"}, "ranks 0 and 2 have no GPU, rank 1 has");
  refused({"cuda:0 a GPU-1", "cuda:1 a GPU-2", "cuda:0 a GPU-1"},
          "ranks 0 and 2 have the same GPU (cuda:0 a GPU-1)");
}

TEST_CASE("ranks on different devices are refused by all of them, before anything waits") {
  std::vector<std::string> errors(3);
  run_ranks(3, [&](Processes& processes) {
    const auto rank = static_cast<std::size_t>(processes.launch().rank);
    try {
      processes.use(rank == 2 ? at::Device(at::kCPU) : at::Device(at::kMeta, 0));
    } catch (const InputError& error) {
      errors[rank] = error.what();
    }
  });
  for (const auto& error : errors) CHECK_THAT(error, Contains("rank 2 has no GPU, ranks 0 and 1"));
}

TEST_CASE("connections end with the run, although something still holds its communicator") {
  run_ranks(2, [](Processes&) {});  // what is opened once for all
  const auto before = open_sockets();
  std::vector<std::shared_ptr<const Communicator>> held(3);
  std::vector<at::Tensor> sums(3);
  run_ranks(3, [&](Processes& processes) {
    const auto rank = static_cast<std::size_t>(processes.launch().rank);
    sums[rank] = at::ones({2});
    held[rank] = processes.communicator();
    held[rank]->sum(sums[rank]);
  });
  for (const auto& sum : sums) CHECK(sum[1].item<float>() == 3);
  CHECK(open_sockets() == before);
  CHECK_THROWS_WITH(held[1]->sum(at::ones({2})), Contains("have ended"));
}
