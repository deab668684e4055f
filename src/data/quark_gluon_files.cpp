#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>

#include "data/folder.h"
#include "data/input_checks.h"
#include "lorentznet/quark_gluon_data.h"

namespace lorentznet {
namespace {

using Path = std::filesystem::path;

/// One of the published sets: its name, and what its files' names begin with.
struct Family {
  const char* set;
  const char* first;   ///< the whole of the name of its file 0, if that has no number
  const char* prefix;  ///< before the number
};

constexpr std::array<Family, 4> families{{
    {"qg-pythia", "QG_jets", "QG_jets_"},
    {"qg-pythia-bc", "", "QG_jets_withbc_"},
    {"qg-herwig", "", "QG_jets_herwig_"},
    {"qg-herwig-bc", "", "QG_jets_herwig_withbc_"},
}};

/// k for "PREFIXk", 0 for a first file without a number; nothing for other names.
std::optional<std::int64_t> index_of(const std::string& stem, const Family& family) {
  const bool first_has_number = *family.first == '\0';
  if (!first_has_number && stem == family.first) return 0;
  const std::string prefix = family.prefix;
  if (!stem.starts_with(prefix)) return std::nullopt;
  const char* begin = stem.data() + prefix.size();
  const char* end = stem.data() + stem.size();
  std::int64_t index = 0;
  const auto [parsed, error] = std::from_chars(begin, end, index);
  // "QG_jets_01" would be a second file 1.
  const bool leading_zero = begin != end && *begin == '0' && end - begin > 1;
  if (error != std::errc() || parsed != end || leading_zero) return std::nullopt;
  if (index < (first_has_number ? 0 : 1)) return std::nullopt;
  return index;
}

/// The files of a set, in the order of their numbers.
std::vector<Path> files_of(const std::vector<Path>& files, const Family& family) {
  std::vector<std::pair<std::int64_t, Path>> indexed;
  for (const Path& file : files) {
    if (const auto index = index_of(file.stem().string(), family)) {
      indexed.emplace_back(*index, file);
    }
  }
  std::sort(indexed.begin(), indexed.end());
  std::vector<Path> ordered;
  for (const auto& [index, file] : indexed) ordered.push_back(file);
  return ordered;
}

/// The set whose files are there; null if none is. Pythia's come first, as in the published
/// program.
const Family* find_family(const Path& folder, const std::vector<Path>& files) {
  const Family* found = nullptr;
  for (const Family& family : families) {
    if (files_of(files, family).empty()) continue;
    if (found == &families[0]) continue;
    if (found != nullptr) {
      throw_file_error(folder.string(), std::string("files of ") + found->set + " and of " +
                                            family.set + ": give each set a folder of its own");
    }
    found = &family;
  }
  return found;
}

Path folder_of(const Path& datadir) { return datadir / "datasets"; }

}  // namespace

std::string quark_gluon_set(const Path& datadir) {
  const Path folder = folder_of(datadir);
  if (!std::filesystem::exists(folder)) return "";
  const Family* family = find_family(folder, list_files(folder, {".npz"}));
  return family == nullptr ? "" : family->set;
}

std::vector<Path> find_quark_gluon_files(const Path& datadir) {
  const Path folder = folder_of(datadir);
  const std::vector<Path> files = list_files(folder, {".npz"});
  const Family* family = find_family(folder, files);
  if (family != nullptr) return files_of(files, *family);
  throw_file_error(folder.string(), "neither QG_jets.npz nor QG_jets_1.npz, QG_jets_2.npz, ...; " +
                                        describe_files(files));
}

JetSet read_quark_gluon_files(const std::vector<Path>& files, std::int64_t max_jets,
                              const BadJetRule& rule) {
  if (files.empty()) throw std::invalid_argument("no files to read jets from");
  JetSet jets;
  for (const Path& file : files) {
    const std::int64_t wanted =
        max_jets < 0 ? max_jets
                     : max_jets - jets.num_jets() - static_cast<std::int64_t>(jets.skipped.size());
    if (wanted == 0) break;
    jets.append(read_quark_gluon_jets(file, wanted, rule));
  }
  return jets;
}

DataSplits split_by_position(const JetSet& jets) {
  const std::int64_t num_jets = jets.num_jets();
  const std::int64_t num_train = num_jets * 8 / 10;
  const std::int64_t num_tenth = num_jets / 10;
  return {.train = jets.slice(0, num_train),
          .val = jets.slice(num_jets - num_tenth, num_tenth),
          .test = jets.slice(num_train, num_tenth)};
}

}  // namespace lorentznet
