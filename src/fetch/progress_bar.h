#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace lorentznet {

/// A line on the terminal that tells how far a download is: part, speed, time that is left. Where
/// stderr is no terminal, nothing.
class ProgressBar {
 public:
  ProgressBar();
  void show(const std::string& file, std::uint64_t done, std::uint64_t total);
  /// Removes the line, so that another one can be printed.
  void clear();

 private:
  using Clock = std::chrono::steady_clock;
  bool on_terminal_;
  bool shown_ = false;
  std::string file_;
  std::uint64_t first_bytes_ = 0;
  Clock::time_point first_, last_;
};

/// "train.h5 [=====>    ]  52 %  430 of 820 MB  11.2 MB/s  35 s left". bytes_per_second: 0 where it
/// is not known yet; total: 0 where the server doesn't tell.
std::string progress_text(const std::string& file, std::uint64_t done, std::uint64_t total,
                          double bytes_per_second);

}  // namespace lorentznet
