#include "shared_memory.h"

#include <algorithm>
#include <cstring>
#include <new>

#include "sanitizers.h"

namespace lorentznet::cuda::emu {
namespace {

constexpr auto kAlignment = std::align_val_t{128};
constexpr unsigned char kNaN = 0xff;

}  // namespace

SharedMemory::SharedMemory(std::size_t bytes)
    : memory_(static_cast<unsigned char*>(operator new(bytes, kAlignment))), bytes_(bytes) {
  std::memset(memory_, kNaN, bytes_);
}

SharedMemory::~SharedMemory() {
  sanitizers::allow(memory_, bytes_);
  operator delete(memory_, kAlignment);
}

void* SharedMemory::carve(std::size_t offset, std::size_t bytes, std::size_t redzone) {
  if (offset + bytes + redzone > bytes_) return nullptr;
  const Array array{offset, offset + bytes};
  if (std::find(arrays_.begin(), arrays_.end(), array) == arrays_.end()) {
    arrays_.push_back(array);
    sanitizers::allow(memory_ + offset, bytes);
    sanitizers::forbid(memory_ + offset + bytes, redzone);
  }
  return memory_ + offset;
}

bool SharedMemory::gaps_untouched() {
  sanitizers::allow(memory_, bytes_);
  std::sort(arrays_.begin(), arrays_.end(),
            [](const Array& a, const Array& b) { return a.begin < b.begin; });
  arrays_.push_back({bytes_, bytes_});
  std::size_t from = 0;
  for (const Array& array : arrays_) {
    for (std::size_t k = from; k < array.begin; ++k) {
      if (memory_[k] != kNaN) return false;
    }
    from = std::max(from, array.end);
  }
  return true;
}

}  // namespace lorentznet::cuda::emu
