#pragma once

namespace lorentznet::fused {

inline constexpr unsigned long kAlignment = 64;  ///< a cache line, and the widest vector

// Memory of the calling thread, taken and given back like a stack. A thread keeps what it once
// needed, so that a jet costs no allocation after one as large; it is freed when the thread ends.

/// Uninitialised, aligned to kAlignment.
void* take_scratch(unsigned long bytes);
/// \param memory  the piece that was taken last of those not yet given back
void give_back_scratch(void* memory);

/// Says that a Buffer's elements are all written before they are read.
struct Unset {};

/// Scratch memory of `count` elements, zero unless said otherwise. S is an instruction set.
template <typename S, typename T>
class Buffer {
 public:
  Buffer(long count, Unset)
      : bytes_(static_cast<unsigned long>(count) * sizeof(T)),
        data_(static_cast<T*>(take_scratch(bytes_))) {}
  explicit Buffer(long count) : Buffer(count, Unset{}) { clear(); }
  ~Buffer() { give_back_scratch(data_); }
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;

  void clear() { __builtin_memset(data_, 0, bytes_); }
  T* get() { return data_; }
  const T* get() const { return data_; }
  T& operator[](long at) { return data_[at]; }
  const T& operator[](long at) const { return data_[at]; }

 private:
  unsigned long bytes_;
  T* data_;
};

}  // namespace lorentznet::fused
