#include "console/live_line.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <cmath>

#include "console/console.h"

namespace lorentznet {
namespace {

constexpr std::chrono::milliseconds kBetweenDrawings{250};

/// "1:23" or "2:03:04"
std::string clock(double seconds) {
  const auto whole = std::llround(std::max(0., seconds));
  const auto hours = whole / 3600, minutes = whole / 60 % 60, rest = whole % 60;
  return hours > 0 ? fmt::format("{}:{:02}:{:02}", hours, minutes, rest)
                   : fmt::format("{}:{:02}", minutes, rest);
}

std::string bar(double fraction, int width) {
  const auto full = static_cast<int>(fraction * width);
  std::string text(static_cast<std::size_t>(std::clamp(full, 0, width)), '=');
  if (full < width) text += '>';
  text.resize(static_cast<std::size_t>(width), ' ');
  return "[" + text + "]";
}

}  // namespace

std::string describe(const PassProgress& progress, int width) {
  const auto done = static_cast<double>(progress.batches_done);
  const double fraction = done / static_cast<double>(progress.batches);
  const double rate = static_cast<double>(progress.jets) / std::max(progress.seconds, 1e-9);
  const double left = progress.seconds * (1 - fraction) / fraction;
  const auto before =
      fmt::format("Epoch {}/{} {} ", progress.epoch + 1, progress.epochs, progress.partition);
  auto after = fmt::format(" {:3.0f} %  {:.0f} jets/s  {} left  loss {:.4f}  acc {:.4f}",
                           100 * fraction, rate, clock(left), progress.loss, progress.accuracy);
  if (progress.learning_rate) after += fmt::format("  lr {:.2e}", *progress.learning_rate);
  constexpr int kNarrowest = 10, kWidest = 30;
  const int room = width - 3 - static_cast<int>(before.size() + after.size());
  auto line =
      room < kNarrowest ? before + after : before + bar(fraction, std::min(room, kWidest)) + after;
  // A line that wraps can't be redrawn.
  line.resize(std::min(line.size(), static_cast<std::size_t>(std::max(width - 1, 0))));
  return line;
}

void LiveLine::show(const PassProgress& progress) {
  const auto now = std::chrono::steady_clock::now();
  if (progress.batches_done == progress.batches) {
    drawn_ = {};
    return draw_status("");
  }
  if (now - drawn_ < kBetweenDrawings) return;
  drawn_ = now;
  draw_status(describe(progress, terminal_width()));
}

}  // namespace lorentznet
