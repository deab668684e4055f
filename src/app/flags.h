#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "app/arguments.h"
#include "io/json.h"

namespace lorentznet {

/// A flag: its name, where its value goes, and what the help says.
struct Flag {
  using Target = std::variant<bool Arguments::*, std::int64_t Arguments::*, double Arguments::*,
                              std::string Arguments::*, std::vector<double> Arguments::*,
                              std::vector<std::string> Arguments::*>;
  std::string group;
  std::string name;
  Target target;
  std::string help;
  std::string metavar;
  double minimum = 0;  ///< of numbers
  bool minimum_excluded = false;
  bool saved = true;  ///< part of args.json
};

/// The flags of the task's program, in the order of args.json and --help.
std::vector<Flag> flags_of(const Task& task);

/// The values that flags have when they are not given.
Arguments default_arguments(const Task& task);

/// Reads `text` into the flag's member. \throws InputError naming flag and value
void set_flag(Arguments& arguments, const Flag& flag, const std::string& text);

/// The flag's value as JSON.
Json flag_value(const Arguments& arguments, const Flag& flag);
/// The other way, with the checks of the command line. \throws InputError naming flag and value
void set_flag(Arguments& arguments, const Flag& flag, const Json& value);

}  // namespace lorentznet
