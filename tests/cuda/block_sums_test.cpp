#include "engine/cuda/block_sums.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <random>

#include "cuda_primitives.h"
#include "device_array.h"
#include "device_orders.h"

namespace lorentznet::cuda {
namespace {

constexpr int kColumns = 70;  // not a multiple of a block's threads

/// Each block writes its row; the last one then doubles the sums, which it must see, and the sum of
/// what the blocks wrote beside their rows.
template <int Threads>
struct SumBlocks {
  struct Params {
    int blocks;  ///< those behind them have no rows
    const double* values;
    BlockSums sums;
    double *beside, *doubled;
  };
  static constexpr int kThreads = Threads, kMinBlocks = 1;

  static __device__ __forceinline__ void run(const Params& p) {
    const int block = static_cast<int>(blockIdx.x), thread = static_cast<int>(threadIdx.x);
    if (block >= p.blocks) return;
    // Not by the thread that reads it.
    for (int c = thread; c < kColumns; c += kThreads) {
      const long at = static_cast<long>(block) * kColumns + kColumns - 1 - c;
      p.sums.partial[at] = p.values[at];
    }
    if (thread == kThreads - 1) p.beside[block] = block + 1;
    if (!add_blocks<kThreads, kColumns>(p.sums, block, p.blocks)) return;
    for (int c = thread; c < kColumns; c += kThreads) {
      p.doubled[c] = 2 * p.sums.sums[kColumns - 1 - c];
    }
    if (thread != 0) return;
    double sum = 0;
    for (int k = 0; k < p.blocks; ++k) sum += p.beside[k];
    p.doubled[kColumns] = sum;
  }
};

template <int Threads>
void check_sums(int blocks) {
  INFO(blocks << " blocks of " << Threads);
  std::mt19937 random(9);
  std::normal_distribution<double> normal;
  std::vector<double> values(static_cast<std::size_t>(blocks) * kColumns);
  for (double& value : values) value = normal(random);
  const DeviceArray<double> from(values);
  DeviceArray<unsigned> tickets(std::vector<unsigned>(block_tickets(blocks)));
  std::vector<std::vector<double>> results;
  in_all_orders([&](const std::string& order) {
    INFO(order);
    DeviceArray<double> partial(block_rows(blocks) * kColumns), sums(kColumns), beside(blocks),
        doubled(kColumns + 1);
    prim::launch<SumBlocks<Threads>>({}, blocks + 1, 0,
                                     {blocks,
                                      from.get(),
                                      {partial.get(), tickets.get(), sums.get()},
                                      beside.get(),
                                      doubled.get()});
    CHECK(tickets.download() == std::vector<unsigned>(block_tickets(blocks)));  // for the next one
    results.push_back(sums.download());
    CHECK(results.back() == results.front());
    const auto twice = doubled.download();
    for (int c = 0; c < kColumns; ++c) CHECK(twice[c] == 2 * results.back()[kColumns - 1 - c]);
    CHECK(twice[kColumns] == blocks * (blocks + 1.) / 2);
  });
  for (int c = 0; c < kColumns; ++c) {
    double want = 0;
    for (int k = 0; k < blocks; ++k) want += values[static_cast<std::size_t>(k) * kColumns + c];
    CHECK(std::abs(results[0][c] - want) <= 1e-12 * (1 + std::sqrt(blocks)));
  }
}

}  // namespace

TEST_CASE("sums over the blocks of a launch by the last ones to finish") {
  for (const int blocks : {1, 2, 31, 32, 33, 64, 65, 300, 1024, 1025, 1100}) {
    check_sums<32>(blocks);
    if (blocks <= 300) check_sums<96>(blocks);
  }
}

}  // namespace lorentznet::cuda
