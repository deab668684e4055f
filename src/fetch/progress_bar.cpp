#include "fetch/progress_bar.h"

#include <unistd.h>

#include <array>
#include <cstdio>

namespace lorentznet {
namespace {

constexpr double kMegabyte = 1e6;

std::string format(const char* pattern, double value) {
  std::array<char, 64> text{};
  std::snprintf(text.data(), text.size(), pattern, value);
  return text.data();
}

std::string bar(double part) {
  constexpr int kWidth = 24;
  const int filled = static_cast<int>(part * kWidth);
  std::string text = "[";
  for (int place = 0; place < kWidth; ++place) {
    text += place < filled ? '=' : (place == filled ? '>' : ' ');
  }
  return text + "]";
}

}  // namespace

std::string progress_text(const std::string& file, std::uint64_t done, std::uint64_t total,
                          double bytes_per_second) {
  const auto megabytes = static_cast<double>(done) / kMegabyte;
  std::string text = file;
  if (total > 0) {
    const double part = static_cast<double>(done) / static_cast<double>(total);
    text += " " + bar(part) + format(" %3.0f %%", 100 * part) + format("  %.0f", megabytes) +
            format(" of %.0f MB", static_cast<double>(total) / kMegabyte);
  } else {
    text += format("  %.0f MB", megabytes);
  }
  if (!(bytes_per_second > 0)) return text;
  text += format("  %.1f MB/s", bytes_per_second / kMegabyte);
  if (total > done) {
    text += format("  %.0f s left", static_cast<double>(total - done) / bytes_per_second);
  }
  return text;
}

ProgressBar::ProgressBar() : on_terminal_(::isatty(STDERR_FILENO) == 1) {}

void ProgressBar::show(const std::string& file, std::uint64_t done, std::uint64_t total) {
  if (!on_terminal_) return;
  const auto now = Clock::now();
  if (file != file_) {
    file_ = file;
    first_ = now;
    first_bytes_ = done;
  } else if (now - last_ < std::chrono::milliseconds(200)) {
    return;
  }
  last_ = now;
  const double seconds = std::chrono::duration<double>(now - first_).count();
  const double speed =
      seconds > 0 && done > first_bytes_ ? static_cast<double>(done - first_bytes_) / seconds : 0;
  std::fprintf(stderr, "\r\033[K%s", progress_text(file, done, total, speed).c_str());
  std::fflush(stderr);
  shown_ = true;
}

void ProgressBar::clear() {
  if (!shown_) return;
  std::fputs("\r\033[K", stderr);
  std::fflush(stderr);
  shown_ = false;
}

}  // namespace lorentznet
