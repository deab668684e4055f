#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace lorentznet {

/// A line on the terminal with the progress of a download: fraction, speed, time left. Does nothing
/// if stderr is not a terminal.
class ProgressBar {
 public:
  ProgressBar();
  void show(const std::string& file, std::uint64_t done, std::uint64_t total);
  /// Removes the line, before another one is printed.
  void clear();

 private:
  using Clock = std::chrono::steady_clock;
  bool on_terminal_;
  bool shown_ = false;
  std::string file_;
  std::uint64_t first_bytes_ = 0;
  Clock::time_point first_, last_;
};

/// "train.h5 [=====>    ]  52 %  430 of 820 MB  11.2 MB/s  35 s left". total and bytes_per_second:
/// 0 if unknown.
std::string progress_text(const std::string& file, std::uint64_t done, std::uint64_t total,
                          double bytes_per_second);

}  // namespace lorentznet
