#pragma once

#include <cstddef>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif
// The emulator's own sources are compiled without the thread sanitizer, which is to see the kernels
// alone; LORENTZNET_EMULATOR_TSAN says that the rest of the program has it.
#if defined(LORENTZNET_EMULATOR_TSAN)
#include <sanitizer/tsan_interface.h>
#endif

/// What the emulator tells GCC's sanitizers; nothing in a build without them.
namespace lorentznet::cuda::emu::sanitizers {

inline void allow([[maybe_unused]] const void* at, [[maybe_unused]] std::size_t bytes) {
#if defined(__SANITIZE_ADDRESS__)
  __asan_unpoison_memory_region(at, bytes);
#endif
}

inline void forbid([[maybe_unused]] const void* at, [[maybe_unused]] std::size_t bytes) {
#if defined(__SANITIZE_ADDRESS__)
  __asan_poison_memory_region(at, bytes);
#endif
}

/// Before the stack is switched. Every fiber is a thread of the thread sanitizer's; to switch does
/// not order what they do (the flag), so a missing barrier is a race.
inline void start_switch([[maybe_unused]] void** fake_stack, [[maybe_unused]] const void* bottom,
                         [[maybe_unused]] std::size_t size, [[maybe_unused]] void* thread) {
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_start_switch_fiber(fake_stack, bottom, size);
#endif
#if defined(LORENTZNET_EMULATOR_TSAN)
  __tsan_switch_to_fiber(thread, __tsan_switch_to_fiber_no_sync);
#endif
}

/// After it. `bottom` and `size` receive where the stack is that was left.
inline void finish_switch([[maybe_unused]] void* fake_stack, [[maybe_unused]] const void** bottom,
                          [[maybe_unused]] std::size_t* size) {
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_finish_switch_fiber(fake_stack, bottom, size);
#endif
}

inline void* this_thread() {
#if defined(LORENTZNET_EMULATOR_TSAN)
  return __tsan_get_current_fiber();
#else
  return nullptr;
#endif
}

inline void* make_thread() {
#if defined(LORENTZNET_EMULATOR_TSAN)
  return __tsan_create_fiber(0);
#else
  return nullptr;
#endif
}

inline void destroy_thread([[maybe_unused]] void* thread) {
#if defined(LORENTZNET_EMULATOR_TSAN)
  __tsan_destroy_fiber(thread);
#endif
}

/// What this thread did before is seen by those that acquire `clock` from now on.
inline void release([[maybe_unused]] void* clock) {
#if defined(LORENTZNET_EMULATOR_TSAN)
  __tsan_release(clock);
#endif
}

inline void acquire([[maybe_unused]] void* clock) {
#if defined(LORENTZNET_EMULATOR_TSAN)
  __tsan_acquire(clock);
#endif
}

}  // namespace lorentznet::cuda::emu::sanitizers
