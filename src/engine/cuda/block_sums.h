#pragma once

#include <cstddef>

#include "engine/cuda/layout.h"

namespace lorentznet::cuda {

// Sums over the blocks of a launch in that launch: the last block of each group to finish adds what
// the blocks of the group have summed up, in their order, then the last group that of the groups,
// and so on. Who is last is not known beforehand, but what is added, and in which order, depends on
// the number of blocks alone.

inline constexpr int kBlocksOfGroup = 32;

__host__ __device__ constexpr int groups_of(int blocks) {
  return (blocks + kBlocksOfGroup - 1) / kBlocksOfGroup;
}
/// Rows of BlockSums::partial, and tickets, of a launch.
constexpr std::size_t block_rows(int blocks) {
  std::size_t rows = blocks;
  for (int groups = groups_of(blocks); groups > 1; groups = groups_of(groups)) rows += groups;
  return rows;
}
constexpr std::size_t block_tickets(int blocks) {
  return block_rows(blocks) - static_cast<std::size_t>(blocks) + 1;
}

struct BlockSums {
  /// [block_rows(), columns] row k is what block k has summed up; behind them those of groups
  double* partial;
  unsigned* tickets;  ///< [block_tickets()] zeros, also after the launch
  double* sums;       ///< [columns] over all blocks
};

/// Whether this block is the last of `count` to come here. Then it sees what the others wrote.
__device__ __forceinline__ bool is_last(unsigned* ticket, int count) {
  __syncthreads();
  bool last = false;
  if (threadIdx.x == 0) {
    __threadfence();  // before its ticket: what this block has written
    last = prim::take_ticket(ticket) == static_cast<unsigned>(count) - 1;
    __threadfence();  // after it: what the others have written
    if (last) *ticket = 0;
  }
  return __syncthreads_or(last) != 0;
}

/// to[c] = sum of `parts` rows from [parts, Columns], by the threads of a block.
template <int Threads, int Columns>
__device__ __forceinline__ void add_rows(const double* from, int parts, double* to) {
  constexpr int kEach = (Columns + Threads - 1) / Threads;               // columns of a thread
  [[maybe_unused]] constexpr int kAtOnce = kEach >= 8 ? 2 : 16 / kEach;  // rows that it waits for
  double sum[kEach] = {};
#pragma unroll kAtOnce
  for (int part = 0; part < parts; ++part) {
#pragma unroll
    for (int k = 0; k < kEach; ++k) {
      const int c = k * Threads + static_cast<int>(threadIdx.x);
      if (c < Columns) sum[k] += from[static_cast<long>(part) * Columns + c];
    }
  }
#pragma unroll
  for (int k = 0; k < kEach; ++k) {
    const int c = k * Threads + static_cast<int>(threadIdx.x);
    if (c < Columns) to[c] = sum[k];
  }
}

/// After block `block` of `blocks` has written its row. All threads of the block call it.
/// \return whether this block is the last one of all: it sees the sums, and all that others wrote
///         before.
template <int Threads, int Columns>
__device__ __forceinline__ bool add_blocks(const BlockSums& p, int block, int blocks) {
  double* rows = p.partial;
  unsigned* tickets = p.tickets;
  while (true) {
    const int groups = groups_of(blocks), group = block / kBlocksOfGroup;
    const int first = group * kBlocksOfGroup, members = min(kBlocksOfGroup, blocks - first);
    if (!is_last(tickets + group, members)) return false;
    double* const next = rows + static_cast<long>(blocks) * Columns;
    double* const to = groups == 1 ? p.sums : next + static_cast<long>(group) * Columns;
    add_rows<Threads, Columns>(rows + static_cast<long>(first) * Columns, members, to);
    if (groups == 1) break;
    rows = next;
    tickets += groups;
    block = group;
    blocks = groups;
  }
  __syncthreads();
  return true;
}

}  // namespace lorentznet::cuda
