#pragma once

#include <c10/core/CachingDeviceAllocator.h>
#include <c10/core/Device.h>

#include <functional>

namespace lorentznet::test {

// Streams, events and memory of the fake devices.

/// The calling thread's current one.
at::Device current_device();

/// Memory of the current device, full of NaN.
c10::DeviceAllocator& fake_allocator();
void poison(void* memory, std::size_t bytes);

/// Page-locked memory, as copies need that the host does not wait for.
at::Allocator* pinned_allocator();
bool is_pinned(const void* memory);

/// A copy that arrives when the host waits for an event that is recorded after it.
void land_later(std::function<void()> copy);
/// All copies arrive: the host waits for everything.
void land_all();

/// Counts a wait of the host.
void count_wait();

}  // namespace lorentznet::test
