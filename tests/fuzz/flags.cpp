#include "app/flags.h"

#include <string>
#include <vector>

#include "app/arguments.h"
#include "fuzz/common.h"
#include "fuzz/targets.h"

namespace lorentznet::fuzz {
namespace {

std::vector<std::string> words_of(std::string_view bytes) {
  std::vector<std::string> words;
  for (std::size_t begin = 0; begin < bytes.size();) {
    const auto end = std::min(bytes.find('\n', begin), bytes.size());
    words.emplace_back(bytes.substr(begin, end - begin));
    begin = end + 1;
  }
  return words;
}

/// args.json holds all that describes the training: what is adopted from it equals what was given.
void check_saved(const Arguments& arguments, const Task& task) {
  const auto saved = to_json(arguments, task);
  const auto read = parse_json(saved.dump(), "args.json");
  std::vector<std::string> names;
  for (const auto& flag : flags_of(task)) {
    if (flag.saved) names.push_back(flag.name);
  }
  auto adopted = default_arguments(task);
  adopt_saved(adopted, read, names, task, "args.json");
  require(to_json(adopted, task) == saved, "flags changed in args.json");
}

bool use_line(const Task& task, const std::vector<std::string>& words) {
  // Their messages repeat words of the user's, whatever is in them; the programs print them in one
  // line.
  try {
    auto [arguments, text] = parse_command_line(task, words);
    if (!text.empty()) return true;
    check_saved(arguments, task);
    arguments.command = {task.name + "_tagging"};
    require(resume_command(arguments, task).ends_with(" --resume"), "the command that resumes");
    return true;
  } catch (const InputError&) {
    return false;
  }
}

/// An args.json of any contents: a flag each.
bool use_args(const Task& task, std::string_view bytes) {
  const std::string name = "args.json";
  return is_accepted(name, [&] {
    const auto saved = parse_json(bytes, name);
    std::vector<std::string> names;
    for (const auto& flag : flags_of(task)) names.push_back(flag.name);
    auto arguments = default_arguments(task);
    adopt_saved(arguments, saved, names, task, name);
  });
}

}  // namespace

bool flags(std::string_view bytes) {
  bool accepted = false;
  for (const auto* task : {&top_tagging(), &quark_gluon_tagging()}) {
    accepted = use_line(*task, words_of(bytes)) || accepted;
    if (bytes.starts_with("{")) accepted = use_args(*task, bytes) || accepted;
  }
  return accepted;
}

}  // namespace lorentznet::fuzz
