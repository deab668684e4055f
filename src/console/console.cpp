#include "console/console.h"

#include <fcntl.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <ctime>
#include <memory>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "io/file.h"

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

/// Both streams, the log file, and whether the last line is one that is redrawn.
struct Console {
  Level least_level = Level::kProgress;
  bool out_closed = false;  ///< nobody reads stdout any more
  bool out_failed = false;
  spdlog::logger error = make_logger<spdlog::sinks::stderr_sink_mt>("stderr");
  FileDescriptor file;
  std::string file_name;
  std::vector<std::string> before_file;
  bool file_failed = false;
  bool has_status = false;
};

Console& console() {
  static Console console;
  return console;
}

/// Whether the reader of stdout has gone: a pipe whose other end is closed, a terminal that has
/// hung up. \param reason  the error of a write
bool reader_is_gone(int reason) {
  struct stat status {};
  const bool device = ::fstat(STDOUT_FILENO, &status) == 0 && S_ISCHR(status.st_mode);
  return reason == EPIPE || (reason == EIO && device);
}

void note(const std::string& line);

/// To stdout as it is, at once.
void write_raw(const std::string& text) {
  auto& to = console();
  if (to.out_closed) return;
  errno = 0;
  if (std::fputs(text.c_str(), stdout) >= 0 && std::fflush(stdout) == 0) return;
  to.out_closed = reader_is_gone(errno);
  if (!to.out_closed) {
    to.out_failed = true;
    return;
  }
  note("Warning: stdout was closed; the run continues, and this file has its lines");
}

constexpr const char* kClearLine = "\r\x1b[K";

void clear_status() {
  if (console().has_status) write_raw(kClearLine);
  console().has_status = false;
}

/// One line says that the log file can't be written, and the run continues without it.
void give_up_file(const std::string& reason) {
  auto& to = console();
  to.file = {};
  to.file_failed = true;
  to.before_file.clear();
  clear_status();
  write_raw("Warning: " + to.file_name + " can't be written: " + reason + "; the run continues\n");
}

/// "2026-01-31 08:15:00  "
std::string time_of_line() {
  const std::time_t now = std::time(nullptr);
  std::tm local{};
  std::array<char, 64> text{};
  ::localtime_r(&now, &local);
  return {text.data(), std::strftime(text.data(), text.size(), "%Y-%m-%d %H:%M:%S  ", &local)};
}

void note(const std::string& line) {
  auto& to = console();
  if (!to.file.is_open()) {
    if (!to.file_failed) to.before_file.push_back(line);
    return;
  }
  try {
    to.file.write_all(time_of_line() + line + "\n", to.file_name);
  } catch (const std::system_error& error) {
    give_up_file(error.code().message());
  }
}

}  // namespace

void print(Level level, const std::string& line) {
  if (level >= console().least_level) {
    clear_status();
    write_raw(line + "\n");
  }
  note(line);
}

void print_error(const std::string& line) {
  clear_status();
  console().error.error(line);
  note(line);
}

void set_least_level(Level level) { console().least_level = level; }

bool output_was_lost() { return console().out_failed; }

void log_to(const std::filesystem::path& file) {
  auto& to = console();
  if (to.file_failed) return;  // which a line has said
  to.file_name = file.string();
  to.file = open_file(file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC);
  if (!to.file.is_open()) return give_up_file(std::generic_category().message(errno));
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
