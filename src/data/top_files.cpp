#include <algorithm>
#include <stdexcept>
#include <utility>

#include "data/folder.h"
#include "data/input_checks.h"
#include "lorentznet/top_data.h"

namespace lorentznet {
namespace {

using Path = std::filesystem::path;

/// Which of the words `name` contains; "" for none. Two are an error: the file's split is unclear.
std::string split_of(const Path& file) {
  const std::string name = file.stem().string();
  std::string split;
  for (const char* word : {"train", "val", "test"}) {
    if (name.find(word) == std::string::npos) continue;
    if (!split.empty()) {
      throw_file_error(file.string(), "the name contains both '" + split + "' and '" + word + "'");
    }
    split = word;
  }
  return split;
}

std::vector<Path>& files_of(TopSplits& splits, const std::string& split) {
  if (split == "train") return splits.train;
  if (split == "val") return splits.val;
  if (split == "test") return splits.test;
  throw std::invalid_argument("split '" + split + "' is none of train, val and test");
}

}  // namespace

TopSplits find_top_files(const Path& datadir, const std::vector<std::string>& needed) {
  const std::vector<Path> files = list_files(datadir, {".h5", ".hdf5", ".npz"});
  TopSplits splits;
  for (const Path& file : files) {
    const std::string split = split_of(file);
    if (!split.empty()) files_of(splits, split).push_back(file);
  }
  for (const std::string& split : needed) {
    if (!files_of(splits, split).empty()) continue;
    throw_file_error(datadir.string(), "no *.h5, *.hdf5 or *.npz file whose name contains '" +
                                           split + "'; " + describe_files(files));
  }
  return splits;
}

JetSet read_top_split(const std::vector<Path>& files, std::int64_t max_jets,
                      const BadJetRule& rule) {
  if (files.empty()) throw std::invalid_argument("no files to read jets from");
  const auto num_files = static_cast<std::int64_t>(files.size());
  JetSet jets;
  for (std::int64_t place = 0; place < num_files; ++place) {
    std::int64_t share = max_jets;
    if (max_jets >= 0) share = max_jets / num_files + (place < max_jets % num_files ? 1 : 0);
    if (share != 0) jets.append(read_top_jets(files[place], share, rule));
  }
  return jets;
}

}  // namespace lorentznet
