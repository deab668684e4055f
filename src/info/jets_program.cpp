#include <cstdio>
#include <exception>
#include <string>
#include <vector>

#include "info/jets_info.h"
#include "lorentznet/error.h"

namespace lorentznet {
namespace {

constexpr const char* kUsage =
    "usage: jets info [--json] FILE...\n"
    "Shows the contents of files of jets, and the jets that top_tagging and qg_tagging refuse.\n"
    "  --json   print a list with one object per file instead of tables\n";

struct Words {
  bool json = false;
  bool help = false;
  std::vector<std::string> files;
};

Words parse(int argc, const char* const* argv) {
  Words words;
  for (int place = 1; place < argc; ++place) {
    const std::string word = argv[place];
    if (word == "--help") {
      words.help = true;
    } else if (word == "--json") {
      words.json = true;
    } else if (word.starts_with("--")) {
      throw InputError("unknown flag " + word + " (see --help)");
    } else {
      words.files.push_back(word);
    }
  }
  if (words.help) return words;
  if (words.files.empty() || words.files.front() != "info") {
    throw InputError("expected 'info' and the names of files (see --help)");
  }
  words.files.erase(words.files.begin());
  if (words.files.empty()) throw InputError("info: expected the name of a file (see --help)");
  return words;
}

int run(const Words& words) {
  if (words.help) {
    std::fputs(kUsage, stdout);
    return 0;
  }
  Json all = Json::array();
  for (const auto& file : words.files) {
    all.push_back(jets_info(file));
    if (!words.json) std::fputs(info_table(all.back()).c_str(), stdout);
  }
  if (words.json) std::fputs((all.dump(2) + "\n").c_str(), stdout);
  return std::fflush(stdout) == 0 ? 0 : 1;
}

int report(const char* error, int status) {
  std::fprintf(stderr, "jets: %s\n", error);
  return status;
}

}  // namespace

int run_jets(int argc, const char* const* argv) {
  try {
    return run(parse(argc, argv));
  } catch (const InputError& error) {
    return report(error.what(), 2);
  } catch (const std::exception& error) {
    return report(error.what(), 1);
  }
}

}  // namespace lorentznet
