#pragma once

#include <algorithm>
#include <cstdint>
#include <future>
#include <utility>

namespace lorentznet {

/// Reads rows [0, rows) in blocks, each by a thread ahead of its use: unpacking a file and checking
/// its jets each take about half of the time. `read`(first, count, block) runs in one thread at a
/// time, `use`(first, count, block) in this one. Rethrows what they throw.
template <typename Block, typename Read, typename Use>
void for_blocks(std::int64_t rows, std::int64_t rows_in_block, Read read, Use use) {
  Block now, next;
  std::future<void> reading;  // behind the blocks: its thread ends before they do
  const auto count_from = [&](std::int64_t first) { return std::min(rows_in_block, rows - first); };
  const auto start = [&](std::int64_t first) {
    if (first >= rows) return;
    reading = std::async(std::launch::async, [&, first] { read(first, count_from(first), next); });
  };
  start(0);
  for (std::int64_t first = 0; first < rows; first += rows_in_block) {
    reading.get();
    std::swap(now, next);
    start(first + rows_in_block);
    use(first, count_from(first), std::as_const(now));
  }
}

}  // namespace lorentznet
