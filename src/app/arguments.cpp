#include "app/arguments.h"

#include <fmt/format.h>

#include <algorithm>
#include <cxxopts.hpp>

#include "app/flags.h"
#include "io/message.h"
#include "lorentznet/error.h"

namespace lorentznet {
namespace {

/// Flags may be spelled with '-' or '_': --exp-name, --exp_name.
std::string with_underscores(std::string word) {
  const auto end = std::min(word.find('='), word.size());
  std::replace(word.begin() + 2, word.begin() + static_cast<std::ptrdiff_t>(end), '-', '_');
  return word;
}

bool is_flag(const std::string& word) { return word.size() > 2 && word.starts_with("--"); }

/// The long form of -v and -q.
std::string without_letter(const std::string& word) {
  if (word == "-v") return "--verbose";
  return word == "-q" ? "--quiet" : word;
}

/// \throws InputError for abbreviations too, with the flags that they may mean
const Flag& find_flag(const std::vector<Flag>& flags, const std::string& name) {
  std::string hint;
  for (const auto& flag : flags) {
    if (flag.name == name) return flag;
    if (flag.name.starts_with(name)) hint += (hint.empty() ? ": write --" : " or --") + flag.name;
  }
  throw InputError("unknown flag --" + name + (hint.empty() ? " (see --help)" : hint));
}

bool takes_value(const Flag& flag) {
  return !std::holds_alternative<bool Arguments::*>(flag.target);
}

/// Makes each flag one word, --NAME or --NAME=VALUE. Values may begin with '-', and --test_data has
/// all words up to the next flag as values.
std::vector<std::string> normalize(const std::vector<Flag>& flags, std::vector<std::string> words) {
  std::vector<std::string> normal;
  std::transform(words.begin(), words.end(), words.begin(), without_letter);
  for (std::size_t k = 0; k < words.size(); ++k) {
    if (!is_flag(words[k])) throw InputError(in_quotes(words[k]) + " is not a flag (see --help)");
    const auto word = with_underscores(words[k]);
    if (word == "--help" || word == "--version") {
      normal.push_back(word);
      continue;
    }
    const auto& flag = find_flag(flags, word.substr(2, word.find('=') - 2));
    if (!takes_value(flag) || word.find('=') != std::string::npos) {
      normal.push_back(word);
      continue;
    }
    if (k + 1 == words.size() || is_flag(words[k + 1])) {
      throw InputError("--" + flag.name + " needs a value");
    }
    const bool many = std::holds_alternative<std::vector<std::string> Arguments::*>(flag.target);
    do {
      normal.push_back("--" + flag.name + "=" + words[++k]);
    } while (many && k + 1 < words.size() && !is_flag(words[k + 1]));
  }
  return normal;
}

std::string default_text(const Arguments& defaults, const Flag& flag) {
  const auto value = flag_value(defaults, flag);
  if (!takes_value(flag) || value.is_array()) return "";
  const auto text = value.is_string() ? value.get<std::string>() : value.dump();
  const bool means_none = text == "0" && flag.minimum > 0;
  return text.empty() || means_none ? "" : " (default: " + text + ")";
}

cxxopts::Options describe(const Task& task, const std::vector<Flag>& flags) {
  const auto defaults = default_arguments(task);
  cxxopts::Options options(task.name + "_tagging",
                           task.title + " with LorentzNet (arXiv:2201.08187)\n");
  options.custom_help("[--FLAG VALUE ...]");
  options.set_width(100);
  for (const std::string group : {"Run", "Data", "Network", "Training"}) {
    for (const auto& flag : flags) {
      if (flag.group != group) continue;
      const auto help = flag.help + default_text(defaults, flag);
      std::shared_ptr<cxxopts::Value> value = cxxopts::value<std::string>();
      if (!takes_value(flag)) value = cxxopts::value<bool>();
      options.add_option(group, "", flag.name, help, value, flag.metavar);
    }
  }
  options.add_options("Run")("help", "print this and exit")("version",
                                                            "print the version and exit");
  return options;
}

void refuse_contradiction(const Arguments& arguments, const Json& saved,
                          const std::vector<const Flag*>& flags,
                          const std::filesystem::path& file) {
  for (const auto* flag : flags) {
    const auto& name = flag->name;
    if (!arguments.given.contains(name)) continue;
    const auto given = flag_value(arguments, *flag);
    if (given == saved.at(name)) continue;
    throw InputError("--" + name + " " + given.dump() + " contradicts " +
                     short_text(saved.at(name)) + " in " + file.string());
  }
}

void check_boost(const Arguments& arguments) {
  if (!arguments.boost.empty()) return;
  for (const std::string flag : {"boost_axis", "rotate", "equivariance"}) {
    if (arguments.given.contains(flag)) throw InputError("--" + flag + " needs --boost");
  }
}

void check_pooling(const Arguments& arguments) {
  if (arguments.n_nodes == 0 ||
      arguments.pooling.value_or(Pooling::kConstant) == Pooling::kConstant) {
    return;
  }
  throw InputError(
      fmt::format("--n_nodes is the constant of --pooling constant: it contradicts --pooling {}",
                  kPoolingNames.at(static_cast<std::size_t>(*arguments.pooling))));
}

void check_experiment(const Arguments& arguments) {
  if (arguments.resume && arguments.overwrite) {
    throw InputError("--resume keeps the experiment that --overwrite replaces: give one of them");
  }
  if (arguments.test_mode && (arguments.resume || arguments.overwrite)) {
    throw InputError("--test_mode does not train: it excludes --resume and --overwrite");
  }
  if (arguments.given.contains("out") && !arguments.test_mode) {
    throw InputError("--out needs --test_mode: a training writes to its own folder");
  }
  if (arguments.given.contains("out") && arguments.out.empty()) {
    throw InputError("--out: '' is not the name of a folder");
  }
  if ((arguments.test_mode || arguments.resume) && arguments.exp_name.empty()) {
    throw InputError("--exp_name is needed to find the experiment");
  }
  const std::filesystem::path name(arguments.exp_name);
  if (name.is_absolute() || name == "." ||
      std::find(name.begin(), name.end(), "..") != name.end()) {
    throw InputError("--exp_name: " + in_quotes(arguments.exp_name) +
                     " is not the name of a folder in --logdir");
  }
}

/// Each of both numbers may be large, but not the network.
void check_network_size(const Arguments& arguments) {
  constexpr double kMostParameters = 1e9;  // 16 GB in training, with gradients and AdamW's moments
  const auto width = static_cast<double>(arguments.n_hidden);
  // Of a layer, H x H each: phi_e has 3, phi_h 3, phi_x 1.
  const double parameters = 7 * width * width * static_cast<double>(arguments.n_layers);
  if (parameters <= kMostParameters) return;
  throw InputError(
      fmt::format("--n_hidden {} and --n_layers {} make a network of {:.2g} parameters, "
                  "expected at most {:.2g}",
                  arguments.n_hidden, arguments.n_layers, parameters, kMostParameters));
}

/// Whether the flags make sense together.
void check_arguments(const Arguments& arguments) {
  check_network_size(arguments);
  check_boost(arguments);
  check_pooling(arguments);
  check_experiment(arguments);
  if (arguments.verbose && arguments.quiet) {
    throw InputError("--verbose and --quiet contradict each other");
  }
  if (!(arguments.dropout < 1)) throw InputError("--dropout: must be below 1");
}

/// Appends --NAME VALUE, for a shell.
void append_flag(std::string& command, const std::string& name, const Json& value) {
  if (value.is_boolean()) {
    command += " --" + name;
  } else if (value.is_array() && !value.empty() && value.front().is_string()) {
    for (const auto& word : value) append_flag(command, name, word);
  } else if (value.is_array()) {  // numbers, in one word
    const auto list = value.dump();
    append_flag(command, name, list.substr(1, list.size() - 2));
  } else {
    const auto word = value.is_string() ? value.get<std::string>() : value.dump();
    command += " --" + name + (is_flag(word) || word.empty() ? "=" : " ") + shell_word(word);
  }
}

}  // namespace

CommandLine parse_command_line(const Task& task, const std::vector<std::string>& words) {
  const auto& flags = flags_of(task);
  CommandLine line{.arguments = default_arguments(task), .text = {}};
  for (const auto& word : normalize(flags, words)) {
    if (word == "--help") {
      line.text = describe(task, flags).help({"Run", "Data", "Network", "Training"});
    } else if (word == "--version") {
      line.text = task.name + "_tagging " + LORENTZNET_VERSION;
    } else {
      const auto end = std::min(word.find('='), word.size());
      const auto& flag = find_flag(flags, word.substr(2, end - 2));
      set_flag(line.arguments, flag, end < word.size() ? word.substr(end + 1) : "true");
      line.arguments.given.insert(flag.name);
    }
  }
  if (line.text.empty()) check_arguments(line.arguments);
  return line;
}

std::string resume_command(const Arguments& arguments, const Task& task) {
  std::string command = shell_word(arguments.command.front());
  append_flag(command, "exp_name", arguments.exp_name);
  for (const auto& flag : flags_of(task)) {
    const bool needed = flag.name == "logdir" || !flag.saved;
    const bool ends_here = flag.name == "resume" || flag.name == "overwrite";
    if (needed && !ends_here && arguments.given.contains(flag.name)) {
      append_flag(command, flag.name, flag_value(arguments, flag));
    }
  }
  return command + " --resume";
}

Json to_json(const Arguments& arguments, const Task& task) {
  Json json = Json::object();
  for (const auto& flag : flags_of(task)) {
    if (flag.saved) json[flag.name] = flag_value(arguments, flag);
  }
  return json;
}

void adopt_saved(Arguments& arguments, const Json& saved, const std::vector<std::string>& names,
                 const Task& task, const std::filesystem::path& file) {
  std::vector<const Flag*> flags;
  for (const auto& flag : flags_of(task)) {
    const bool is_named = std::find(names.begin(), names.end(), flag.name) != names.end();
    if (is_named && saved.contains(flag.name)) flags.push_back(&flag);
  }
  refuse_contradiction(arguments, saved, flags, file);
  try {
    for (const auto* flag : flags) {
      if (!arguments.given.contains(flag->name)) set_flag(arguments, *flag, saved.at(flag->name));
    }
    check_arguments(arguments);
  } catch (const InputError& error) {
    throw InputError(file.string() + ": " + error.what());
  }
}

}  // namespace lorentznet
