#pragma once

#include <atomic>

namespace lorentznet {

/// While it lives, SIGINT and SIGTERM ask for a stop instead of ending the program. A second one
/// ends it.
class StopSignal {
 public:
  StopSignal();
  ~StopSignal();
  StopSignal(const StopSignal&) = delete;
  StopSignal& operator=(const StopSignal&) = delete;

  const std::atomic<bool>& requested() const;
  /// Number of the signal that asked, 0 if none did.
  int number() const;
};

}  // namespace lorentznet
