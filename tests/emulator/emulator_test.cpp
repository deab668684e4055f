#include <algorithm>
#include <atomic>
#include <catch2/catch.hpp>
#include <cmath>
#include <cstring>
#include <thread>

#include "cuda_primitives.h"
#include "device_array.h"
#include "device_orders.h"
#include "engine/cuda/device/half_bits.h"

// What the emulator itself promises. That its primitives compute what PTX says is tested in
// tests/cuda/primitives_test.cpp, which a GPU runs too. [race]: the thread sanitizer would report
// it.

namespace lorentznet::cuda {
namespace {

using Catch::Contains;

/// Message of the error with which a launch of one block ends.
std::string fault(unsigned threads, std::size_t shared_bytes, const std::function<void()>& body) {
  try {
    emu::launch(1, threads, shared_bytes, body);
  } catch (const std::runtime_error& error) {
    return error.what();
  }
  return "none";
}

std::string line(int number) { return "emulator_test.cpp:" + std::to_string(number); }

/// Threads in the order in which they come to the first of two barriers.
std::vector<int> order_of_threads() {
  std::vector<int> order(96);
  std::atomic<int> come = 0;
  emu::launch(1, 96, 0, [&] {
    order[come++] = static_cast<int>(threadIdx.x);
    __syncthreads();
  });
  return order;
}

/// Sums over a block of 64 threads through shared memory; with a race if only warps meet.
float sum_of_block(bool barrier) {
  float sum = 0;
  emu::launch(1, 64, 64 * sizeof(float) + prim::redzone(), [&] {
    prim::Carver carve;
    float* shared = carve.take<float>(64);
    shared[threadIdx.x] = 1.0f;
    if (barrier) {
      __syncthreads();
    } else {
      __syncwarp();
    }
    if (threadIdx.x != 40) return;
    sum = 0;
    for (int k = 0; k < 64; ++k) sum += shared[k];
  });
  return sum;
}

}  // namespace

TEST_CASE("threads and blocks know their place") {
  in_all_orders([](const std::string& order) {
    INFO(order);
    std::vector<int> visits(3 * 64);
    emu::launch(3, 64, 0, [&] {
      ++visits[blockIdx.x * blockDim.x + threadIdx.x];
      if (gridDim.x != 3 || blockDim.x != 64) emu::fail("is lost");
      __syncthreads();
      ++visits[blockIdx.x * 64 + threadIdx.x];
    });
    REQUIRE(visits == std::vector<int>(3 * 64, 2));
  });
}

TEST_CASE("threads run in the order asked for") {
  const emu::Options before = emu::options;
  std::vector<int> ascending(96), descending(96);
  for (int k = 0; k < 96; ++k) descending[95 - k] = ascending[k] = k;
  emu::options.order = emu::Order::kAscending;
  REQUIRE(order_of_threads() == ascending);
  emu::options.order = emu::Order::kDescending;
  REQUIRE(order_of_threads() == descending);
  emu::options.order = emu::Order::kRandom;
  emu::options.seed = 1;
  const std::vector<int> first = order_of_threads();
  REQUIRE(order_of_threads() == first);
  REQUIRE(first != ascending);
  emu::options.seed = 2;
  REQUIRE(order_of_threads() != first);
  emu::options = before;
}

TEST_CASE("a warp runs ahead of others, so that a missing barrier is seen", "[race]") {
  in_all_orders([](const std::string& order) {
    INFO(order);
    REQUIRE(sum_of_block(true) == 64.0f);
  });
  const emu::Options before = emu::options;
  emu::options.order = emu::Order::kDescending;
  REQUIRE(std::isnan(sum_of_block(false)));
  emu::options = before;
}

TEST_CASE("shared memory starts as NaN in every block") {
  int numbers = 0;
  emu::launch(2, 32, 32 * sizeof(double) + prim::redzone(), [&] {
    prim::Carver carve;
    double* shared = carve.take<double>(32);
    float half;
    std::memcpy(&half, shared + threadIdx.x, sizeof half);
    if (!std::isnan(shared[threadIdx.x]) || !std::isnan(half)) ++numbers;
    shared[threadIdx.x] = 1;
  });
  REQUIRE(numbers == 0);
}

TEST_CASE("asynchronous copies land when they are waited for") {
  alignas(16) const float from[4] = {1, 2, 3, 4};
  float before = 0, after = 0;
  emu::launch(1, 32, 16 + prim::redzone(), [&] {
    prim::Carver carve;
    float* shared = carve.take<float>(4);
    if (threadIdx.x == 0) {
      prim::copy_async16(shared, from);
      before = shared[2];
    }
    __syncthreads();
    if (threadIdx.x != 0) return;
    prim::copy_async_wait();
    after = shared[2];
  });
  REQUIRE(std::isnan(before));
  REQUIRE(after == 3);
}

TEST_CASE("copies that are never waited for, or misaligned") {
  alignas(16) const float from[8] = {};
  const std::size_t bytes = 16 + prim::redzone();
  const auto copy = [&](int offset) {
    prim::Carver carve;
    prim::copy_async16(carve.take<float>(4), from + offset);
  };
  REQUIRE_THAT(fault(32, bytes, [&] { copy(0); }),
               Contains("block 0, thread 0 has returned with asynchronous copies"));
  REQUIRE_THAT(fault(32, bytes, [&] { copy(1); }), Contains("no multiple of 16"));
}

TEST_CASE("lanes at different operations are reported with both lines") {
  const int here = __LINE__;
  const std::string error = fault(32, 0, [] {
    if (threadIdx.x < 5) {
      __shfl_sync(0xffffffffu, 1, 0);  // 3 lines below `here`
    } else {
      __syncwarp();  // 5
    }
  });
  REQUIRE_THAT(error, Contains("block 0, thread 5 is at ") && Contains(line(here + 3)) &&
                          Contains("thread 0 waits at ") && Contains(line(here + 5)));
}

TEST_CASE("two operations in one line are two") {
  const std::string error = fault(32, 0, [] {
    int x = 1;
    x = threadIdx.x < 5 ? __shfl_sync(~0u, x, 0) : __shfl_sync(~0u, x, 1);
  });
  REQUIRE_THAT(error, Contains("thread 5 is at ") && Contains("thread 0 waits at "));
}

TEST_CASE("threads that wait for ever are reported with their lines") {
  const int here = __LINE__;
  const std::string apart = fault(64, 0, [] {
    if (threadIdx.x < 32) {
      __syncthreads();  // 3 lines below `here`
    } else if (threadIdx.x != 40) {
      __syncwarp();  // 5
    }
  });
  REQUIRE_THAT(apart, Contains("waits for ever") && Contains("31 lanes of a warp are at ") &&
                          Contains(line(here + 5)) && Contains("32 threads of the block are at ") &&
                          Contains(line(here + 3)) && Contains("1 have returned"));
  REQUIRE_THAT(fault(64, 0,
                     [] {
                       if (threadIdx.x >= 32) __syncthreads();
                     }),
               Contains("waits for ever") && Contains("32 have returned"));
  REQUIRE_THAT(fault(32, 0, [] { __shfl_sync(1u, 1, 0); }), Contains("a part of its warp"));
}

// ASan would end the program before the emulator sees it.
#if !defined(__SANITIZE_ADDRESS__)
TEST_CASE("what is written behind an array in shared memory is reported") {
  REQUIRE_THAT(fault(32, 2 * (16 + prim::redzone()),
                     [] {
                       prim::Carver carve;
                       float* first = carve.take<float>(4);
                       carve.take<float>(4);
                       if (threadIdx.x == 7) first[5] = 1;
                     }),
               Contains("block 0 has written to shared memory outside its arrays"));
}

TEST_CASE("what is written behind an array in global memory is reported") {
  DeviceArray<int> array(5);
  REQUIRE(array.download() == std::vector<int>(5, -1));
  emu::launch(1, 32, 0, [to = array.get()] {
    if (threadIdx.x < 6) to[threadIdx.x] = 3;
  });
  REQUIRE_THROWS_WITH(array.download(), Contains("behind an array"));
}
#endif

TEST_CASE("more shared memory than was asked for is reported") {
  REQUIRE_THAT(fault(32, 16,
                     [] {
                       prim::Carver carve;
                       carve.take<float>(5);
                     }),
               Contains("wants shared memory up to byte " + std::to_string(20 + prim::redzone())));
}

TEST_CASE("a block votes") {
  in_all_orders([](const std::string& order) {
    INFO(order);
    std::vector<int> votes(3 * 64);
    emu::launch(1, 64, 0, [&] {
      for (unsigned k = 0; k < 3; ++k) {  // one after the other: nobody, one, all but one
        const bool vote = k == 1 ? threadIdx.x == 37 : k == 2 && threadIdx.x != 37;
        votes[k * 64 + threadIdx.x] = __syncthreads_or(vote);
      }
    });
    for (int k = 0; k < 3 * 64; ++k) REQUIRE(votes[k] == (k >= 64));
  });
}

TEST_CASE("tickets are numbered over all blocks and stand between fences") {
  unsigned tickets = 0;
  std::vector<unsigned> taken(5);
  const auto take = [&] {
    __syncthreads();
    if (threadIdx.x != 7) return;
    __threadfence();
    taken[blockIdx.x] = prim::take_ticket(&tickets);
    __threadfence();
  };
  emu::launch(5, 32, 0, take);
  std::sort(taken.begin(), taken.end());
  REQUIRE(taken == std::vector<unsigned>{0, 1, 2, 3, 4});
  REQUIRE(tickets == 5);
  REQUIRE_THAT(fault(32, 0,
                     [&] {
                       __syncthreads();
                       prim::take_ticket(&tickets);
                     }),
               Contains("takes a ticket without a fence before it"));
  REQUIRE_THAT(fault(64, 0,
                     [&] {
                       __syncwarp();
                       __threadfence();
                       prim::take_ticket(&tickets);
                     }),
               Contains("takes a ticket before its block has met"));
  for (const bool returns : {false, true}) {
    REQUIRE_THAT(fault(32, 0,
                       [&] {
                         __syncthreads();
                         __threadfence();
                         prim::take_ticket(&tickets);
                         if (!returns) __syncwarp();
                       }),
                 Contains("has taken a ticket without a fence after it"));
  }
}

TEST_CASE("an exception in a kernel comes out of its launch") {
  REQUIRE_THROWS_AS(emu::launch(1, 64, 0,
                                [] {
                                  if (threadIdx.x == 33) throw std::out_of_range("33");
                                  __syncthreads();
                                }),
                    std::out_of_range);
  REQUIRE_THROWS_AS(emu::launch(1, 33, 0, [] {}), std::invalid_argument);
  REQUIRE_THROWS_AS(emu::launch(1, 32, 0, [] { emu::launch(1, 32, 0, [] {}); }), std::logic_error);
  REQUIRE(sum_of_block(true) == 64.0f);  // and the next one is as if nothing had happened
}

TEST_CASE("several threads launch at the same time") {
  std::vector<float> sums(4);
  std::vector<std::thread> threads;
  for (float& sum : sums) {
    threads.emplace_back([&sum] {
      for (int k = 0; k < 20; ++k) sum += sum_of_block(true);
    });
  }
  for (std::thread& thread : threads) thread.join();
  REQUIRE(sums == std::vector<float>(4, 20 * 64.0f));
}

TEST_CASE("16-bit numbers on the host are the compiler's") {
  int wrong = 0;
  for (std::uint32_t bits = 0; bits < 0x10000; ++bits) {
    const float value = prim::F16::value(bits), host = f16_value(bits);
    if (std::memcmp(&value, &host, sizeof host) != 0 && !(value != value && host != host)) ++wrong;
  }
  // Every 997th float, and those next to a tie.
  for (std::uint64_t k = 0; k < 0x100000000; k += 997) {
    for (const std::uint64_t bits : {k, k & 0xfffff000, (k & 0xfffff000) + 1}) {
      const auto x = std::bit_cast<float>(static_cast<std::uint32_t>(bits));
      const bool same =
          x != x ? (f16_bits(x) & 0x7fff) > 0x7c00 : f16_bits(x) == prim::F16::bits(x);
      if (!same || bf16_bits(x) != prim::Bf16::bits(x)) ++wrong;
    }
  }
  REQUIRE(wrong == 0);
}

}  // namespace lorentznet::cuda
