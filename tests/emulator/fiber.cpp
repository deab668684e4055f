#include "fiber.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <new>
#include <utility>

#include "sanitizers.h"

// lorentznet_switch_stack(void** save, void* load): pushes the registers that a function must keep,
// stores the stack pointer in *save, and continues where `load` was stored.
extern "C" void lorentznet_switch_stack(void** save, void* load);
asm(R"(
.text
.globl lorentznet_switch_stack
.type lorentznet_switch_stack,@function
lorentznet_switch_stack:
    pushq %rbp
    pushq %rbx
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    movq %rsp,(%rdi)
    movq %rsi,%rsp
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbx
    popq %rbp
    ret
.size lorentznet_switch_stack,.-lorentznet_switch_stack
)");

namespace lorentznet::cuda::emu {
namespace {

/// The fiber that was running before the last switch on this thread.
constinit thread_local Fiber* left = nullptr;

std::size_t page() { return static_cast<std::size_t>(sysconf(_SC_PAGESIZE)); }

}  // namespace

Stack::Stack() {
  void* memory = mmap(nullptr, page() + kBytes, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
  if (memory == MAP_FAILED) throw std::bad_alloc();
  bottom_ = static_cast<unsigned char*>(memory) + page();
  if (mprotect(memory, page(), PROT_NONE) != 0) {
    munmap(memory, page() + kBytes);
    throw std::bad_alloc();
  }
}

Stack::~Stack() {
  if (bottom_) munmap(bottom_ - page(), page() + kBytes);
}

Stack::Stack(Stack&& other) noexcept : bottom_(std::exchange(other.bottom_, nullptr)) {}

Fiber::~Fiber() {
  if (owns_thread_) sanitizers::destroy_thread(thread_);
}

void Fiber::adopt_caller() { thread_ = sanitizers::this_thread(); }

void Fiber::prepare(const Stack& stack, void (*entry)()) {
  bottom_ = stack.bottom();
  size_ = Stack::kBytes;
  sanitizers::allow(bottom_, size_);
  fake_stack_ = nullptr;
  if (!owns_thread_) thread_ = sanitizers::make_thread();
  owns_thread_ = true;
  auto* top = reinterpret_cast<void**>(stack.bottom() + Stack::kBytes);
  *--top = nullptr;  // where `entry` would return to; aligns the stack as the ABI wants
  *--top = reinterpret_cast<void*>(entry);
  for (int k = 0; k < 6; ++k) *--top = nullptr;  // the registers
  registers_ = top;
}

void Fiber::leave(Fiber& to, void** fake_stack) {
  left = this;
  sanitizers::start_switch(fake_stack, to.bottom_, to.size_, to.thread_);
  lorentznet_switch_stack(&registers_, to.registers_);
  sanitizers::finish_switch(fake_stack_, nullptr, nullptr);
}

void Fiber::end_in(Fiber& to) {
  leave(to, nullptr);
  std::abort();
}

void Fiber::entered() { sanitizers::finish_switch(nullptr, &left->bottom_, &left->size_); }

}  // namespace lorentznet::cuda::emu
