#include "app/data_folder.h"

#include <fmt/format.h>

#include <algorithm>

#include "fetch/download.h"
#include "fetch/progress_bar.h"
#include "lorentznet/error.h"
#include "lorentznet/readers.h"
#include "parallel/collectives.h"

namespace lorentznet {
namespace {

using Path = std::filesystem::path;

bool has_top_files(const Path& folder) {
  if (!std::filesystem::exists(folder)) return false;
  const auto splits = find_top_files(folder, {});
  return !splits.train.empty() || !splits.val.empty() || !splits.test.empty();
}

void fetch(const std::vector<PublishedFile>& files, const Path& folder, const Log& log) {
  ProgressBar bar;
  DownloadOptions options;
  options.log = [&](const std::string& line) {
    bar.clear();
    log.info(line);
  };
  options.progress = [&](const auto& file, auto done, auto total) { bar.show(file, done, total); };
  try {
    download_all(files, folder, options);
  } catch (const InputError& error) {  // a mistyped folder looks like an empty one
    throw InputError(folder.string() + ": lacks files, and their download failed: " + error.what());
  }
  bar.clear();
}

void fetch_top(const Arguments& arguments, const Log& log) {
  const Path folder = arguments.datadir;
  if (!arguments.download) return;
  if (has_top_files(folder) && !is_unfinished(folder)) {
    log.info(folder.string() + " has data: nothing is downloaded");
    return;
  }
  fetch(published_files("top"), folder, log);
}

/// The first files that hold as many jets as are asked for.
std::vector<PublishedFile> first_files(std::vector<PublishedFile> files, std::int64_t num_data) {
  constexpr std::int64_t jets_in_file = 100000;
  if (num_data < 0) return files;
  const auto wanted = std::max<std::int64_t>((num_data + jets_in_file - 1) / jets_in_file, 1);
  if (static_cast<std::int64_t>(files.size()) > wanted) files.resize(wanted);
  return files;
}

void fetch_quark_gluon(const Arguments& arguments, const Log& log) {
  const Path folder = Path(arguments.datadir) / "datasets";
  const std::string wanted = "qg-" + arguments.generator + (arguments.with_bc ? "-bc" : "");
  const std::string found = quark_gluon_set(arguments.datadir);
  const bool asked = arguments.given.contains("generator") || arguments.given.contains("with_bc");
  if (!found.empty() && asked && found != wanted) {
    throw InputError(folder.string() + ": holds " + found + ", --generator and --with_bc ask for " +
                     wanted + ": give each set a folder of its own");
  }
  if (found.empty() || is_unfinished(folder)) {
    fetch(first_files(published_files(wanted), arguments.num_data), folder, log);
  } else if (arguments.download) {
    log.info(folder.string() + " has data: nothing is downloaded");
  }
}

void fetch_data(const Task& task, const Arguments& arguments, const Log& log) {
  if (task.name == "top") return fetch_top(arguments, log);
  fetch_quark_gluon(arguments, log);
}

JetSet read_files(const Task& task, const std::vector<std::string>& files,
                  const BadJetRule& bad_jets) {
  JetSet jets;
  for (const auto& file : files) jets.append(task.read_file(file, bad_jets));
  return jets;
}

void check_test(const JetSet& jets, const Arguments& arguments) {
  if (jets.num_jets() == 0) throw InputError(arguments.datadir + ": the test split has no jets");
  if (jets.has_labels()) return;
  const auto* const flag = !arguments.boost.empty()     ? "--boost"
                           : arguments.equivariance > 0 ? "--equivariance"
                           : arguments.report           ? "--report"
                                                        : nullptr;
  if (flag == nullptr) return;
  throw InputError(fmt::format("{}: has jets without a label, and {} needs the labels of all",
                               jets.sources.front().file, flag));
}

}  // namespace

DataSplits read_data(const Task& task, const Arguments& arguments, const Communicator& ranks,
                     const Log& log) {
  const DataSelection selection{.datadir = arguments.datadir,
                                .num_train = arguments.num_train,
                                .num_data = arguments.num_data,
                                .test_only = arguments.test_mode,
                                .bad_jets = {.skip = arguments.on_bad_jet == "skip"},
                                .cache = !arguments.no_cache};
  const bool own_test = !arguments.test_data.empty();
  DataSplits data;
  if (!own_test || !arguments.test_mode) {
    if (ranks.rank() == 0) fetch_data(task, arguments, log);
    meet(ranks);  // no rank looks before everything is there
    data = task.read_splits(selection);
  }
  if (own_test) {
    data.test = read_files(task, arguments.test_data, selection.bad_jets);
    const auto& skipped = data.test.skipped;
    data.skipped.insert(data.skipped.end(), skipped.begin(), skipped.end());
  }
  for (auto* jets : {&data.train, &data.val}) normalize_weights(*jets);
  check_test(data.test, arguments);
  return data;
}

}  // namespace lorentznet
