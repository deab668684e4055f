#include "console/live_line.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <cmath>
#include <vector>

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

/// The words before the bar, longest first, and those after it, each with the spaces before it.
struct Words {
  std::vector<std::string> before, after;
};

Words words_of(const PassProgress& progress) {
  const auto fraction =
      static_cast<double>(progress.batches_done) / static_cast<double>(progress.batches);
  const double rate = static_cast<double>(progress.jets) / std::max(progress.seconds, 1e-9);
  const double left = progress.seconds * (1 - fraction) / fraction;
  const auto epoch = fmt::format("{}/{} ", progress.epoch + 1, progress.epochs);
  Words words{{"Epoch " + epoch + progress.partition + " ", "Epoch " + epoch, epoch, ""},
              {fmt::format(" {:3.0f} %", 100 * fraction), fmt::format("  {:.0f} jets/s", rate),
               fmt::format("  {} left", clock(left)), fmt::format("  loss {:.4f}", progress.loss),
               fmt::format("  acc {:.4f}", progress.accuracy)}};
  if (progress.learning_rate) {
    words.after.push_back(fmt::format("  lr {:.2e}", *progress.learning_rate));
  }
  return words;
}

std::size_t length_of(const std::vector<std::string>& words) {
  std::size_t length = 0;
  for (const auto& word : words) length += word.size();
  return length;
}

}  // namespace

std::string describe(const PassProgress& progress, int width) {
  // A line that wraps can't be redrawn, and half a number is a wrong one: whole words are left out,
  // the last ones first, then those at the beginning, until only the percentage is left.
  const auto columns = static_cast<std::size_t>(std::max(width - 1, 0));
  auto [before, after] = words_of(progress);
  while (after.size() > 1 && before.front().size() + length_of(after) > columns) after.pop_back();
  while (before.size() > 1 && before.front().size() + length_of(after) > columns) {
    before.erase(before.begin());
  }
  const auto used = before.front().size() + length_of(after);
  if (used > columns) return "";
  constexpr int kNarrowest = 10, kWidest = 30, kBrackets = 2;
  const int room = std::min(static_cast<int>(columns - used) - kBrackets, kWidest);
  const double fraction =
      static_cast<double>(progress.batches_done) / static_cast<double>(progress.batches);
  auto line = before.front();
  if (room >= kNarrowest) line += bar(fraction, room);
  for (const auto& word : after) line += word;
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
