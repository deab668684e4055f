#pragma once

#include <cstddef>
#include <vector>

namespace lorentznet::cuda::emu {

/// The shared memory of a block: exactly the bytes that the launch asked for, NaN at first (as
/// float, double or 16-bit number; -1 as an integer).
class SharedMemory {
 public:
  explicit SharedMemory(std::size_t bytes);
  ~SharedMemory();
  SharedMemory(const SharedMemory&) = delete;
  SharedMemory& operator=(const SharedMemory&) = delete;

  /// An array of `bytes` at `offset`, with `redzone` bytes after it that nobody may touch.
  /// Null if they are not all there. All threads of the block ask for the same arrays.
  void* carve(std::size_t offset, std::size_t bytes, std::size_t redzone);

  /// Whether all bytes outside the arrays are as they were at first.
  bool gaps_untouched();

 private:
  struct Array {
    std::size_t begin, end;
    bool operator==(const Array&) const = default;
  };

  unsigned char* memory_;
  std::size_t bytes_;
  std::vector<Array> arrays_;
};

}  // namespace lorentznet::cuda::emu
