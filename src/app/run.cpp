#include "app/run.h"

#include <cstdio>
#include <exception>
#include <stdexcept>
#include <system_error>

#include "app/memory.h"
#include "app/session.h"
#include "console/console.h"
#include "lorentznet/error.h"

namespace lorentznet {
namespace {

int run(const Task& task, const std::vector<std::string>& words) {
  const auto line = parse_command_line(task, words);
  int status = 0;
  if (line.text.empty()) {
    status = run_session(task, line.arguments);
  } else {
    print(line.text);
  }
  if (std::ferror(stdout) != 0) throw std::runtime_error("stdout could not be written");
  return status;
}

/// c10::Error's what() has a backtrace behind its first line.
std::string first_line(const std::string& text) { return text.substr(0, text.find('\n')); }

}  // namespace

int run_program(const Task& task, int argc, const char* const* argv) {
  const std::string name = task.name + "_tagging: ";
  try {
    keep_freed_memory();
    return run(task, std::vector<std::string>(argv + 1, argv + argc));
  } catch (const InputError& error) {
    print_error(name + first_line(error.what()));
    return 2;
  } catch (const std::system_error& error) {  // a folder or file that cannot be written
    print_error(name + first_line(error.what()));
    return 2;
  } catch (const std::exception& error) {
    print_error(name + first_line(error.what()));
    return 1;
  }
}

}  // namespace lorentznet
