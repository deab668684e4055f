#include <fmt/format.h>

#include "bench/measure.h"

namespace lorentznet::bench {
namespace {

std::string text(const Json& json, const char* key) { return json.at(key).get<std::string>(); }

std::string kernel_of(const Json& row) {
  if (text(row, "kernel") == "plain") return "plain";
  return fmt::format("fused {}", text(row, "isa"));
}

/// "median (low-high)", all multiplied by `scale`; "-" if there is none.
std::string range(const Json& spread, double scale, int digits) {
  if (spread.is_null()) return "-";
  const auto value = [&](const char* key) { return scale * spread.at(key).get<double>(); };
  return fmt::format("{:.{}f} ({:.{}f}-{:.{}f})", value("median"), digits, value("low"), digits,
                     value("high"), digits);
}

std::string number(const Json& row, const char* key, int digits) {
  return row.contains(key) ? fmt::format("{:.{}f}", row.at(key).get<double>(), digits) : "-";
}

std::string start_of(const Json& row) {
  return fmt::format("{:<4} {:<9} {:<14} {:>3} {:>5} ", text(row, "task"), text(row, "mode"),
                     kernel_of(row), row.at("threads").get<int>(),
                     row.at("batch_size").get<std::int64_t>());
}

std::string error_line(const Json& row) {
  if (row.contains("mode")) return start_of(row) + " " + text(row, "error");
  return fmt::format("{:<4} {:<14}  {}", text(row, "task"), kernel_of(row), text(row, "error"));
}

std::string rate_line(const Json& row) {
  const auto done = row.at("gflops").get<double>() * row.at("share_done").get<double>();
  return fmt::format("{:>5} {:>8} {:>7} {:>6.1f} {:>5}  {:<12} {:<18} {:<16} {:>5}",
                     number(row, "cores", 2), number(row, "jets_per_s", 1),
                     number(row, "gflops", 1), done, number(row, "peak_gflops", 0),
                     range(row.at("of_peak"), 100, 0), range(row.at("vs_plain"), 1, 2),
                     range(row.at("vs_one_thread"), 1, 2), number(row, "peak_memory_mb", 0));
}

std::string end_to_end_line(const Json& row) {
  return fmt::format("{:>8} {:>9}  {:<18} {:>9}", number(row, "jets_per_s", 1),
                     number(row, "bare_jets_per_s", 1), range(row.at("ratio"), 1, 3),
                     number(row, "make_batch_jets_per_s", 0));
}

std::string latency_line(const Json& row) {
  return fmt::format("{:<4} {:<20} {:>5} {:>7} {:>10} {:>8}", text(row, "task"), kernel_of(row),
                     row.at("nodes").get<int>(), row.at("calls").get<int>(),
                     number(row, "median_ms", 3), number(row, "p99_ms", 3));
}

/// Shares above zero, layer by layer.
std::string density_line(const Json& data) {
  auto line = fmt::format("{:<4}", text(data, "task"));
  for (const auto* key : {"z", "e", "y"}) {
    line += fmt::format("  {}", key);
    for (const auto& layer : data.at("densities")) {
      if (layer.contains(key)) line += fmt::format(" {:.2f}", layer.at(key).get<double>());
    }
  }
  return line;
}

/// The names of the columns and a line per row; nothing without rows.
template <typename Line>
std::string section(const Json& rows, const std::string& heading, const Line& line) {
  if (rows.empty()) return {};
  std::string lines = "\n" + heading + "\n";
  for (const auto& row : rows) {
    lines += (row.contains("error") ? error_line(row) : line(row)) + "\n";
  }
  return lines;
}

}  // namespace

std::string table(const Json& results) {
  const auto start =
      fmt::format("{:<4} {:<9} {:<14} {:>3} {:>5} ", "task", "mode", "kernel", "thr", "batch");
  const auto& machine = results.at("machine");
  auto lines = fmt::format("{}, {} cores; median (quartiles) of the rounds' ratios\n",
                           text(machine, "processor"), machine.at("cores").get<int>());
  lines += section(results.at("data"), "shares above zero, by layer", density_line);
  lines += section(results.at("rates"),
                   start + fmt::format("{:>5} {:>8} {:>7} {:>6} {:>5}  {:<12} {:<18} {:<16} {:>5}",
                                       "cores", "jets/s", "GFLOP/s", "done", "peak", "% of peak",
                                       "x plain", "x 1 thread", "MB"),
                   [](const Json& row) { return start_of(row) + rate_line(row); });
  lines += section(
      results.at("end_to_end"),
      start + fmt::format("{:>8} {:>9}  {:<18} {:>9}", "jets/s", "bare", "ratio", "loader/s"),
      [](const Json& row) { return start_of(row) + end_to_end_line(row); });
  lines += section(results.at("memory"), start + "      MB", [](const Json& row) {
    return start_of(row) + fmt::format("{:>8}", number(row, "peak_memory_mb", 0));
  });
  lines += section(results.at("latency"),
                   fmt::format("{:<4} {:<20} {:>5} {:>7} {:>10} {:>8}", "task", "one jet, one core",
                               "nodes", "calls", "median/ms", "p99/ms"),
                   latency_line);
  return lines;
}

}  // namespace lorentznet::bench
