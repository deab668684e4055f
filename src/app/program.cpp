#include "app/program.h"

#include <c10/util/Exception.h>
#include <fmt/format.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <optional>
#include <stdexcept>
#include <system_error>

#include "app/run.h"
#include "console/console.h"
#include "io/message.h"
#include "lorentznet/error.h"
#include "parallel/processes.h"

namespace lorentznet {
namespace {

struct Outcome {
  int status = 0;
  std::string error = {};  ///< one line; empty: success
};

/// The exit status that `f` returns, or that of the exception it throws.
template <typename F>
Outcome outcome_of(F f) {
  try {
    return {f()};
  } catch (const InputError& error) {
    return {2, line_of(error)};
  } catch (const std::system_error& error) {  // a folder or file that can't be written
    return {2, line_of(error)};
  } catch (const std::exception& error) {
    return {1, line_of(error)};
  }
}

std::string describe_loss(const Ending& ending, std::int64_t timeout) {
  if (ending.kind == Ending::Kind::kHangs) {
    return fmt::format("rank {} hangs: it has not answered for {} s (--timeout)", ending.rank,
                       timeout);
  }
  return fmt::format("rank {} is gone: it ended without a word, killed or out of memory",
                     ending.rank);
}

/// One process of a program, which is alone or a rank among several.
class Program {
 public:
  Program(const Task& task, Launch launch)
      : task_(task), name_(task.name + "_tagging: "), launch_(std::move(launch)) {}

  /// \param command  the name of the program, then its arguments
  int run(const std::vector<std::string>& command) {
    CommandLine line;
    // All ranks find an error in it, and one reports it: so they connect first.
    const auto parsed = outcome_of([&] {
      line = parse_command_line(task_, {command.begin() + 1, command.end()});
      line.arguments.command = command;
      return 0;
    });
    timeout_ = line.arguments.timeout;
    // A closed stdout ends no run. And Gloo writes without MSG_NOSIGNAL: when a rank ends, SIGPIPE
    // would end the others before the Watch can tell which one it was.
    std::signal(SIGPIPE, SIG_IGN);
    std::optional<Processes> processes;
    const auto connected = outcome_of([&] {
      processes.emplace(launch_, std::chrono::seconds(timeout_),
                        [this](const Ending& ending) { std::_Exit(report_ending(ending)); });
      return 0;
    });
    if (!processes) return report(connected);
    const auto outcome =
        parsed.error.empty() ? outcome_of([&] { return run_or_print(line, *processes); }) : parsed;
    if (outcome.error.empty()) {
      processes->finish();
      return outcome.status;
    }
    const auto ending = processes->fail(outcome.status);
    const bool first = ending.kind == Ending::Kind::kFailed && ending.rank == launch_.rank;
    return first ? report(outcome) : report_ending(ending);
  }

  int report(const Outcome& outcome) const {
    const auto rank = launch_.size > 1 ? fmt::format("rank {}: ", launch_.rank) : "";
    print_error(name_ + rank + outcome.error);
    return outcome.status;
  }

 private:
  int run_or_print(const CommandLine& line, Processes& processes) const {
    int status = 0;
    if (line.text.empty()) {
      status = lorentznet::run(task_, line.arguments, processes);
    } else if (launch_.rank == 0) {
      print(Level::kResult, line.text);
    }
    if (output_was_lost()) throw std::runtime_error("stdout could not be written");
    return status;
  }

  /// Another rank has failed, which reports that itself, or was lost, which rank 0 reports, or
  /// rank 1 if rank 0 was lost. May be called by another thread while this rank computes or waits.
  /// \return the exit status
  int report_ending(const Ending& ending) const {
    if (ending.kind == Ending::Kind::kFailed) return static_cast<int>(ending.status);
    if (launch_.rank == (ending.rank == 0 ? 1 : 0)) {
      print_error(name_ + describe_loss(ending, timeout_));
    }
    return 1;
  }

  const Task& task_;
  std::string name_;
  Launch launch_;
  std::int64_t timeout_ = 0;
};

}  // namespace

std::string line_of(const std::exception& error) {
  const auto* const torch_error = dynamic_cast<const c10::Error*>(&error);
  return in_one_line(torch_error != nullptr ? torch_error->what_without_backtrace() : error.what());
}

int run_program(const Task& task, int argc, const char* const* argv) {
  Launch launch;
  const auto read = outcome_of([&] {
    launch = read_launch(process_environment());
    return 0;
  });
  Program program(task, launch);
  if (!read.error.empty()) return program.report(read);
  return program.run(std::vector<std::string>(argv, argv + argc));
}

}  // namespace lorentznet
