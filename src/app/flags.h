#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "app/arguments.h"
#include "io/json.h"

namespace lorentznet {

/// Where the value of a flag goes that is one of a few words: a member of an enumeration type.
struct Choice {
  std::vector<std::string> words;  ///< one a value of the enumeration, in its order
  std::function<std::optional<std::size_t>(const Arguments&)> get;  ///< empty: not given
  std::function<void(Arguments&, std::optional<std::size_t>)> set;
};

/// A flag: its name, where its value goes, and what --help says.
struct Flag {
  using Target = std::variant<bool Arguments::*, std::int64_t Arguments::*, double Arguments::*,
                              std::string Arguments::*, std::vector<double> Arguments::*,
                              std::vector<std::string> Arguments::*, Choice>;
  std::string group;
  std::string name;
  Target target;
  std::string help;
  std::string metavar;
  double minimum = 0;  ///< of numbers
  /// Of numbers: above it, a run would have no end or more memory than there is.
  double maximum = std::numeric_limits<double>::infinity();
  bool minimum_excluded = false;
  bool saved = true;  ///< part of args.json
};

/// The flags of the task's program, in the order of args.json.
const std::vector<Flag>& flags_of(const Task& task);

/// The values of flags that are not given.
Arguments default_arguments(const Task& task);

/// Reads `text` into the flag's member. \throws InputError naming flag and value
void set_flag(Arguments& arguments, const Flag& flag, const std::string& text);

/// The flag's value as args.json has it.
Json flag_value(const Arguments& arguments, const Flag& flag);
/// The inverse, with the checks of the command line. \throws InputError naming flag and value
void set_flag(Arguments& arguments, const Flag& flag, const Json& value);

}  // namespace lorentznet
