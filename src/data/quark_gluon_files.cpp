#include <algorithm>
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

/// 0 for "QG_jets", k for "QG_jets_k" with k = 1, 2, ...; nothing for other names.
std::optional<std::int64_t> index_of(const std::string& stem) {
  const std::string first = "QG_jets";
  if (stem == first) return 0;
  const std::string prefix = first + "_";
  if (!stem.starts_with(prefix)) return std::nullopt;
  const char* begin = stem.data() + prefix.size();
  const char* end = stem.data() + stem.size();
  std::int64_t index = 0;
  const auto [parsed, error] = std::from_chars(begin, end, index);
  // "QG_jets_01" would be a second file 1.
  if (error != std::errc() || parsed != end || index < 1 || *begin == '0') return std::nullopt;
  return index;
}

}  // namespace

std::vector<Path> find_quark_gluon_files(const Path& datadir) {
  const Path folder = datadir / "datasets";
  const std::vector<Path> files = list_files(folder, ".npz");
  std::vector<std::pair<std::int64_t, Path>> indexed;
  for (const Path& file : files) {
    if (const auto index = index_of(file.stem().string())) indexed.emplace_back(*index, file);
  }
  if (indexed.empty()) {
    throw_file_error(folder.string(),
                     "neither QG_jets.npz nor QG_jets_1.npz, QG_jets_2.npz, ...; " +
                         describe_files(files, ".npz"));
  }
  std::sort(indexed.begin(), indexed.end());
  std::vector<Path> ordered;
  for (const auto& [index, file] : indexed) ordered.push_back(file);
  return ordered;
}

JetSet read_quark_gluon_files(const std::vector<Path>& files, std::int64_t max_jets) {
  if (files.empty()) throw std::invalid_argument("no files to read jets from");
  JetSet jets;
  for (const Path& file : files) {
    const std::int64_t wanted = max_jets < 0 ? max_jets : max_jets - jets.num_jets();
    if (wanted == 0) break;
    jets.append(read_quark_gluon_jets(file, wanted));
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
