#pragma once

#include <cstddef>
#include <cstring>
#include <new>
#include <vector>

namespace lorentznet::cuda {

/// An array for kernels: here in memory of exactly its size, so that the address sanitizer sees who
/// leaves it. tests/cuda/device/device_array.h is the one of a GPU.
template <typename T>
class DeviceArray {
 public:
  /// Of NaN (as integers: -1), so that an element that nobody writes is seen.
  explicit DeviceArray(std::size_t size)
      : data_(static_cast<T*>(operator new(size * sizeof(T), kAlignment))), size_(size) {
    std::memset(static_cast<void*>(data_), 0xff, size_ * sizeof(T));
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
  std::vector<T> download() const { return std::vector<T>(data_, data_ + size_); }

 private:
  static constexpr auto kAlignment = std::align_val_t{256};  // cudaMalloc's

  T* data_;
  std::size_t size_;
};

}  // namespace lorentznet::cuda
