#include "fake_stream.h"

#include <c10/core/CPUAllocator.h>
#include <c10/core/Stream.h>
#include <c10/core/impl/DeviceGuardImplInterface.h>

#include <cstdint>
#include <cstring>
#include <deque>
#include <map>
#include <mutex>

#include "fake_device.h"

namespace lorentznet::test {
namespace {

constexpr auto kType = at::DeviceType::PrivateUse1;

thread_local std::int8_t current = 0;

std::mutex stream_mutex;
std::deque<std::function<void()>> in_flight;  // copies, in order
std::int64_t landed = 0;                      // how many have arrived in all
std::mutex pinned_mutex;
std::map<const char*, std::size_t> pinned;  // blocks and their sizes

void land_until(std::int64_t number) {
  for (; landed < number; ++landed) {
    in_flight.front()();
    in_flight.pop_front();
  }
}

/// How many copies were begun before an event was recorded.
struct FakeEvent {
  std::int64_t copies = 0;
};

class FakeGuard final : public c10::impl::DeviceGuardImplInterface {
 public:
  c10::DeviceType type() const override { return kType; }
  c10::Device exchangeDevice(c10::Device device) const override {
    const auto before = current_device();
    setDevice(device);
    return before;
  }
  c10::Device getDevice() const override { return current_device(); }
  void setDevice(c10::Device device) const override {
    TORCH_CHECK(device.index() < kFakeDevices, "there is no fake device ", device.index());
    uncheckedSetDevice(device);
  }
  void uncheckedSetDevice(c10::Device device) const noexcept override {
    if (device.has_index()) current = device.index();
  }
  c10::Stream getStream(c10::Device device) const override {
    return c10::Stream(c10::Stream::DEFAULT, device.has_index() ? device : current_device());
  }
  c10::Stream getDefaultStream(c10::Device device) const override { return getStream(device); }
  c10::Stream exchangeStream(c10::Stream stream) const override { return stream; }
  c10::DeviceIndex deviceCount() const noexcept override { return kFakeDevices; }

  void record(void** event, const c10::Stream&, const c10::DeviceIndex,
              const c10::EventFlag) const override {
    if (*event == nullptr) *event = new FakeEvent;
    const std::lock_guard lock(stream_mutex);
    static_cast<FakeEvent*>(*event)->copies = landed + static_cast<std::int64_t>(in_flight.size());
  }
  void destroyEvent(void* event, const c10::DeviceIndex) const noexcept override {
    delete static_cast<FakeEvent*>(event);
  }
  void block(void*, const c10::Stream&) const override {}
  bool queryEvent(void* event) const override {
    const std::lock_guard lock(stream_mutex);
    return event == nullptr || static_cast<FakeEvent*>(event)->copies <= landed;
  }
  bool queryStream(const c10::Stream&) const override { return false; }
  void synchronizeEvent(void* event) const override {
    count_wait();
    const std::lock_guard lock(stream_mutex);
    if (event != nullptr) land_until(static_cast<FakeEvent*>(event)->copies);
  }
  void synchronizeStream(const c10::Stream&) const override {
    count_wait();
    land_all();
  }
  void synchronizeDevice(const c10::DeviceIndex) const override {
    count_wait();
    land_all();
  }
};
C10_REGISTER_GUARD_IMPL(PrivateUse1, FakeGuard);

class FakeAllocator final : public c10::DeviceAllocator {
 public:
  c10::DataPtr allocate(std::size_t bytes) override {
    auto memory = c10::GetCPUAllocator()->allocate(bytes);
    if (bytes > 0) poison(memory.get(), bytes);
    auto* const data = memory.get();
    auto* const context = memory.release_context();
    return {data, context, c10::GetCPUAllocator()->raw_deleter(), current_device()};
  }
  void copy_data(void* to, const void* from, std::size_t bytes) const override {
    std::memcpy(to, from, bytes);
  }
  bool initialized() override { return true; }
  void emptyCache(c10::MempoolId_t) override {}
  void recordStream(const c10::DataPtr&, c10::Stream) override {}
  c10::CachingDeviceAllocator::DeviceStats getDeviceStats(c10::DeviceIndex) override { return {}; }
  void resetAccumulatedStats(c10::DeviceIndex) override {}
  void resetPeakStats(c10::DeviceIndex) override {}
  std::pair<std::size_t, std::size_t> getMemoryInfo(c10::DeviceIndex) override {
    constexpr std::size_t kBytes = std::size_t{1} << 30;
    return {kBytes, kBytes};
  }
};

class PinnedAllocator final : public at::Allocator {
 public:
  at::DataPtr allocate(std::size_t bytes) override {
    auto memory = c10::GetCPUAllocator()->allocate(bytes);
    auto* const data = static_cast<char*>(memory.get());
    if (data == nullptr) return memory;
    const std::lock_guard lock(pinned_mutex);
    pinned[data] = bytes;
    return {data, memory.release_context(), &release, at::kCPU};
  }
  void copy_data(void* to, const void* from, std::size_t bytes) const override {
    default_copy_data(to, from, bytes);
  }

 private:
  static void release(void* memory) {
    {
      const std::lock_guard lock(pinned_mutex);
      pinned.erase(static_cast<const char*>(memory));
    }
    c10::GetCPUAllocator()->raw_deleter()(memory);
  }
};

}  // namespace

at::Device current_device() { return {kType, current}; }

void poison(void* memory, std::size_t bytes) { std::memset(memory, 0xff, bytes); }  // NaN

c10::DeviceAllocator& fake_allocator() {
  static FakeAllocator allocator;
  return allocator;
}

at::Allocator* pinned_allocator() {
  static PinnedAllocator allocator;
  return &allocator;
}

bool is_pinned(const void* memory) {
  const auto* const byte = static_cast<const char*>(memory);
  const std::lock_guard lock(pinned_mutex);
  const auto after = pinned.upper_bound(byte);
  if (after == pinned.begin()) return false;
  const auto& [begin, bytes] = *std::prev(after);
  return byte < begin + bytes;
}

void land_later(std::function<void()> copy) {
  const std::lock_guard lock(stream_mutex);
  in_flight.push_back(std::move(copy));
}

void land_all() {
  const std::lock_guard lock(stream_mutex);
  land_until(landed + static_cast<std::int64_t>(in_flight.size()));
}

}  // namespace lorentznet::test
