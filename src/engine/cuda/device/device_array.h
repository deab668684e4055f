#pragma once

#include <cuda_runtime.h>

#include <cstddef>
#include <stdexcept>
#include <string>
#include <vector>

namespace lorentznet::cuda {

/// An array for kernels, in the memory of the GPU. tests/emulator/device_array.h is the emulator's.
template <typename T>
class DeviceArray {
 public:
  /// Of NaN (as integers: -1), so that an element that nobody writes is seen.
  explicit DeviceArray(std::size_t size) : size_(size) {
    if (size_ == 0) return;
    check(cudaMalloc(&data_, size_ * sizeof(T)), "allocating an array");
    check(cudaMemset(data_, 0xff, size_ * sizeof(T)), "filling an array");
  }
  explicit DeviceArray(const std::vector<T>& values) : DeviceArray(values.size()) {
    check(cudaMemcpy(data_, values.data(), size_ * sizeof(T), cudaMemcpyHostToDevice),
          "copying to the GPU");
  }
  ~DeviceArray() { cudaFree(data_); }
  DeviceArray(const DeviceArray&) = delete;
  DeviceArray& operator=(const DeviceArray&) = delete;

  T* get() { return data_; }
  const T* get() const { return data_; }
  std::size_t size() const { return size_; }
  /// What it holds when all kernels have ended.
  std::vector<T> download() const {
    std::vector<T> values(size_);
    check(cudaDeviceSynchronize(), "running kernels");
    check(cudaMemcpy(values.data(), data_, size_ * sizeof(T), cudaMemcpyDeviceToHost),
          "copying from the GPU");
    return values;
  }

 private:
  static void check(cudaError_t status, const std::string& what) {
    if (status != cudaSuccess) throw std::runtime_error(what + ": " + cudaGetErrorString(status));
  }

  T* data_ = nullptr;
  std::size_t size_;
};

}  // namespace lorentznet::cuda
