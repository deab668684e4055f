#pragma once

#include <cstddef>
#include <cstring>
#include <new>
#include <stdexcept>
#include <vector>

namespace lorentznet::cuda {

/// An array for kernels. With the address sanitizer, which sees who leaves it, its memory has
/// exactly its size; else some bytes more, which must stay as they are.
/// src/engine/cuda/device/device_array.h is the one of a GPU.
template <typename T>
class DeviceArray {
 public:
  /// Of NaN (as integers: -1), so that an element that nobody writes is seen.
  explicit DeviceArray(std::size_t size)
      : data_(static_cast<T*>(operator new(size * sizeof(T) + kGuard, kAlignment))), size_(size) {
    std::memset(static_cast<void*>(data_), 0xff, size_ * sizeof(T) + kGuard);
  }
  explicit DeviceArray(const std::vector<T>& values) : DeviceArray(values.size()) {
    if (size_) std::memcpy(static_cast<void*>(data_), values.data(), size_ * sizeof(T));
  }
  ~DeviceArray() { operator delete(data_, kAlignment); }
  DeviceArray(const DeviceArray&) = delete;
  DeviceArray& operator=(const DeviceArray&) = delete;

  T* get() { return data_; }
  const T* get() const { return data_; }
  std::size_t size() const { return size_; }
  /// \throws std::runtime_error if a kernel has written behind it
  std::vector<T> download() const {
    const auto* const behind = reinterpret_cast<const unsigned char*>(data_ + size_);
    for (std::size_t k = 0; k < kGuard; ++k) {
      if (behind[k] != 0xff) throw std::runtime_error("a kernel has written behind an array");
    }
    return std::vector<T>(data_, data_ + size_);
  }

 private:
#if defined(__SANITIZE_ADDRESS__)
  static constexpr std::size_t kGuard = 0;
#else
  static constexpr std::size_t kGuard = 1024;
#endif
  static constexpr auto kAlignment = std::align_val_t{256};  // cudaMalloc's

  T* data_;
  std::size_t size_;
};

}  // namespace lorentznet::cuda
