#pragma once

#include <cstddef>

namespace lorentznet::cuda::emu {

/// Memory for a fiber's stack. The page below it can't be touched: a stack that is too small ends
/// the program instead of overwriting another fiber's.
class Stack {
 public:
  static constexpr std::size_t kBytes = 512 << 10;

  Stack();
  ~Stack();
  Stack(Stack&& other) noexcept;
  Stack& operator=(Stack&&) = delete;

  unsigned char* bottom() const { return bottom_; }

 private:
  unsigned char* bottom_;
};

/// A course of execution with a stack of its own, which runs until it switches to another one.
class Fiber {
 public:
  Fiber() = default;
  ~Fiber();
  Fiber(const Fiber&) = delete;
  Fiber& operator=(const Fiber&) = delete;

  /// Becomes the code that calls this, on the thread's own stack.
  void adopt_caller();
  /// Will run `entry`, which must not return, when it is next switched to. Not of a running fiber.
  void prepare(const Stack& stack, void (*entry)());
  /// Leaves this fiber, which is running, for `to`; returns when something switches back.
  void switch_to(Fiber& to) { leave(to, &fake_stack_); }
  /// Leaves this fiber, which is running, for the last time.
  [[noreturn]] void end_in(Fiber& to);
  /// To be called first in an entry.
  static void entered();

 private:
  void leave(Fiber& to, void** fake_stack);

  void* registers_ = nullptr;     ///< the stack pointer, below which they are saved
  void* fake_stack_ = nullptr;    ///< of the address sanitizer
  const void* bottom_ = nullptr;  ///< of the stack; of the caller's as soon as it has been left
  std::size_t size_ = 0;
  void* thread_ = nullptr;  ///< what the thread sanitizer takes it for
  bool owns_thread_ = false;
};

/// A fiber and the stack that it runs on.
struct Strand {
  Stack stack;
  Fiber fiber;
};

}  // namespace lorentznet::cuda::emu
