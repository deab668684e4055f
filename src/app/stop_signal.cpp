#include "app/stop_signal.h"

#include <array>
#include <csignal>

namespace lorentznet {
namespace {

constexpr std::array kSignals = {SIGINT, SIGTERM};

// A signal handler reaches nothing but variables of static storage.
std::atomic<bool> stop_requested = false;
std::atomic<int> signal_number = 0;
static_assert(std::atomic<bool>::is_always_lock_free && std::atomic<int>::is_always_lock_free);

extern "C" void request_stop(int number) {
  stop_requested = true;
  signal_number = number;
  std::signal(number, SIG_DFL);
}

}  // namespace

StopSignal::StopSignal() {
  for (const int number : kSignals) std::signal(number, request_stop);
}

StopSignal::~StopSignal() {
  for (const int number : kSignals) std::signal(number, SIG_DFL);
}

const std::atomic<bool>& StopSignal::requested() const { return stop_requested; }

int StopSignal::number() const { return signal_number; }

}  // namespace lorentznet
