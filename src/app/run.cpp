#include "app/run.h"

#include <fmt/format.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <optional>
#include <stdexcept>
#include <system_error>

#include "app/session.h"
#include "console/console.h"
#include "lorentznet/error.h"
#include "parallel/processes.h"

namespace lorentznet {
namespace {

struct Outcome {
  int status = 0;
  std::string error;  ///< one line, where something failed
};

/// c10::Error's what() has a backtrace behind its first line.
std::string first_line(const std::string& text) { return text.substr(0, text.find('\n')); }

/// The exit status that `f` returns, or that of what it throws.
template <typename F>
Outcome outcome_of(F f) {
  try {
    return {f(), ""};
  } catch (const InputError& error) {
    return {2, first_line(error.what())};
  } catch (const std::system_error& error) {  // a folder or file that cannot be written
    return {2, first_line(error.what())};
  } catch (const std::exception& error) {
    return {1, first_line(error.what())};
  }
}

int run(const Task& task, const CommandLine& line, Processes& processes) {
  int status = 0;
  if (line.text.empty()) {
    status = run_session(task, line.arguments, processes);
  } else if (processes.launch().rank == 0) {
    print(Level::kResult, line.text);
  }
  if (std::ferror(stdout) != 0) throw std::runtime_error("stdout could not be written");
  return status;
}

/// One process of a run that reports for all: the one that failed, else rank 0, else, where that
/// one is lost, rank 1.
bool reports(const Ending& ending, std::int64_t rank) {
  if (ending.kind == Ending::Kind::kFailed) return rank == ending.rank;
  return rank == (ending.rank == 0 ? 1 : 0);
}

std::string describe_loss(const Ending& ending, std::int64_t timeout) {
  if (ending.kind == Ending::Kind::kHangs) {
    return fmt::format("rank {} hangs: it has not answered for {} s (--timeout)", ending.rank,
                       timeout);
  }
  return fmt::format("rank {} is gone: it ended without a word, killed or out of memory",
                     ending.rank);
}

/// A program of one process or of several: what is printed, and its status.
class Program {
 public:
  Program(const Task& task, Launch launch)
      : task_(task), name_(task.name + "_tagging: "), launch_(std::move(launch)) {}

  int run(const std::vector<std::string>& words) {
    CommandLine line;
    // A bad command line is found by all processes, and told by one: so they meet first.
    auto outcome = outcome_of([&] {
      line = parse_command_line(task_, words);
      return 0;
    });
    timeout_ = line.arguments.timeout;
    // Gloo writes without MSG_NOSIGNAL: a rank that has gone would take the others with it, before
    // the Watch can say which one it was.
    if (launch_.size > 1) std::signal(SIGPIPE, SIG_IGN);
    std::optional<Processes> processes;
    const auto joined = outcome_of([&] {
      processes.emplace(launch_, std::chrono::seconds(timeout_),
                        [this](const Ending& ending) { end(ending); });
      return 0;
    });
    if (!processes) return tell(joined);
    if (outcome.error.empty()) {
      outcome = outcome_of([&] { return lorentznet::run(task_, line, *processes); });
    }
    if (outcome.error.empty()) {
      processes->finish();
      return outcome.status;
    }
    const auto ending = processes->fail(outcome.status);
    if (ending.kind != Ending::Kind::kFailed) return end_status(ending);
    if (reports(ending, launch_.rank)) tell(outcome);
    return static_cast<int>(ending.status);
  }

  int tell(const Outcome& outcome) const {
    const auto rank = launch_.size > 1 ? fmt::format("rank {}: ", launch_.rank) : "";
    print_error(name_ + rank + outcome.error);
    return outcome.status;
  }

 private:
  /// Where a rank is lost: tells it, if that is this one's part. \return the status
  int end_status(const Ending& ending) const {
    if (ending.kind == Ending::Kind::kFailed) return static_cast<int>(ending.status);
    if (reports(ending, launch_.rank)) print_error(name_ + describe_loss(ending, timeout_));
    return 1;
  }
  /// From another thread, while this one computes or waits for a rank that will not come.
  [[noreturn]] void end(const Ending& ending) const { std::_Exit(end_status(ending)); }

  const Task& task_;
  std::string name_;
  Launch launch_;
  std::int64_t timeout_ = 0;
};

}  // namespace

int run_program(const Task& task, int argc, const char* const* argv) {
  Launch launch;
  const auto read = outcome_of([&] {
    launch = read_launch(process_environment());
    return 0;
  });
  Program program(task, launch);
  if (!read.error.empty()) return program.tell(read);
  return program.run(std::vector<std::string>(argv + 1, argv + argc));
}

}  // namespace lorentznet
