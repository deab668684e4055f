#include "app/report_command.h"

#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <stdexcept>
#include <string>
#include <system_error>
#include <vector>

#include "lorentznet/error.h"

extern char** environ;  // NOLINT: POSIX wants it declared here

namespace lorentznet {
namespace {

/// Of the source tree that the program was built from, or where the variable says.
std::filesystem::path scripts_folder() {
  const char* const chosen = std::getenv("LORENTZNET_SCRIPTS");
  return chosen != nullptr ? chosen : LORENTZNET_SCRIPTS_DIR;
}

struct CommandOutcome {
  int status;          ///< 0: done
  std::string output;  ///< of both streams
};

std::string read_all(int pipe) {
  std::string text;
  std::array<char, 4096> part{};
  for (ssize_t count = 0; (count = read(pipe, part.data(), part.size())) != 0;) {
    if (count > 0) text.append(part.data(), static_cast<std::size_t>(count));
    if (count < 0 && errno != EINTR) break;
  }
  return text;
}

/// Runs a command to its end, without a shell.
CommandOutcome run_command(std::vector<std::string> words) {
  std::array<int, 2> ends{};
  if (pipe(ends.data()) != 0) throw std::system_error(errno, std::generic_category(), "pipe");
  posix_spawn_file_actions_t actions{};
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&actions, ends[1], STDERR_FILENO);
  posix_spawn_file_actions_addclose(&actions, ends[0]);
  std::vector<char*> argv;
  for (auto& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  pid_t process = 0;
  const int failure = posix_spawnp(&process, argv[0], &actions, nullptr, argv.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  close(ends[1]);
  CommandOutcome outcome{.status = 127, .output = failure == 0 ? read_all(ends[0]) : ""};
  close(ends[0]);
  if (failure != 0) return outcome;
  int status = 0;
  while (waitpid(process, &status, 0) < 0 && errno == EINTR) continue;
  outcome.status = WIFEXITED(status) ? WEXITSTATUS(status) : 1;
  return outcome;
}

std::string last_line(std::string text) {
  while (!text.empty() && text.back() == '\n') text.pop_back();
  return text.substr(text.rfind('\n') + 1);
}

CommandOutcome run_script(const std::string& argument) {
  return run_command({"python3", (scripts_folder() / "report.py").string(), argument});
}

}  // namespace

void check_report_can_be_made() {
  const auto script = scripts_folder() / "report.py";
  if (!std::filesystem::exists(script)) {
    throw InputError("--report: there is no " + script.string() +
                     " (LORENTZNET_SCRIPTS names the folder)");
  }
  const auto [status, output] = run_script("--check");
  if (status == 127) throw InputError("--report: there is no python3 to draw it");
  if (status != 0) throw InputError("--report: " + last_line(output));
}

void make_report(const std::filesystem::path& folder) {
  const auto [status, output] = run_script(folder.string());
  if (status != 0) {
    throw std::runtime_error("the report could not be made: " + last_line(output));
  }
}

}  // namespace lorentznet
