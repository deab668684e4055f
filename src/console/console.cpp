#include "console/console.h"

#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <memory>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

namespace lorentznet {
namespace {

/// Lines are printed as they are: people grep them in the Python program's form.
template <typename Sink>
spdlog::logger make_logger(const std::string& name) {
  spdlog::logger logger(name, std::make_shared<Sink>());
  logger.set_pattern("%v");
  logger.set_level(spdlog::level::debug);
  logger.flush_on(spdlog::level::trace);
  return logger;
}

/// kDetail .. kResult become trace .. warn.
spdlog::level::level_enum spdlog_level(Level level) {
  return static_cast<spdlog::level::level_enum>(level);
}

/// Both streams, the log file, and whether the last line is one that is redrawn.
struct Console {
  spdlog::logger out = make_logger<spdlog::sinks::stdout_sink_mt>("stdout");
  spdlog::logger error = make_logger<spdlog::sinks::stderr_sink_mt>("stderr");
  std::shared_ptr<spdlog::logger> file;
  std::string file_name;
  std::vector<std::string> before_file;
  bool file_failed = false;
  bool has_status = false;
};

Console& console() {
  static Console console;
  return console;
}

/// To the terminal only, without the end of line that spdlog adds.
void write_raw(const std::string& text) {
  std::fputs(text.c_str(), stdout);
  std::fflush(stdout);
}

constexpr const char* kClearLine = "\r\x1b[K";

void clear_status() {
  if (console().has_status) write_raw(kClearLine);
  console().has_status = false;
}

/// If the log file can't be written, one line says so, and the run continues without it.
void note(const std::string& line) {
  auto& to = console();
  if (to.file == nullptr) {
    if (!to.file_failed) to.before_file.push_back(line);
    return;
  }
  to.file->info(line);
  if (!to.file_failed) return;
  to.file = nullptr;
  clear_status();
  to.out.warn("Warning: " + to.file_name + " can't be written any more");
}

}  // namespace

void print(Level level, const std::string& line) {
  auto& out = console().out;
  if (out.should_log(spdlog_level(level))) clear_status();
  out.log(spdlog_level(level), line);
  note(line);
}

void print_error(const std::string& line) {
  clear_status();
  console().error.error(line);
  note(line);
}

void set_least_level(Level level) { console().out.set_level(spdlog_level(level)); }

void log_to(const std::filesystem::path& file) {
  auto& to = console();
  try {
    auto sink = std::make_shared<spdlog::sinks::basic_file_sink_mt>(file.string());
    to.file = std::make_shared<spdlog::logger>("file", sink);
  } catch (const spdlog::spdlog_ex&) {
    throw std::system_error(errno, std::generic_category(), file.string());
  }
  to.file_name = file.string();
  to.file->set_error_handler([&to](const std::string&) { to.file_failed = true; });
  to.file->set_pattern("%Y-%m-%d %H:%M:%S  %v");
  to.file->flush_on(spdlog::level::info);
  for (const auto& line : std::exchange(to.before_file, {})) note(line);
}

bool on_terminal() {
  const char* const kind = std::getenv("TERM");
  return isatty(STDOUT_FILENO) == 1 && kind != nullptr && std::string_view(kind) != "dumb";
}

int terminal_width() {
  winsize size{};
  const bool known = ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0;
  return known ? size.ws_col : 80;
}

void draw_status(const std::string& text) {
  clear_status();
  if (text.empty()) return;
  write_raw(text);
  console().has_status = true;
}

}  // namespace lorentznet
