#include "app/run_data.h"

#include <fmt/format.h>
#include <malloc.h>

#include <algorithm>
#include <limits>
#include <optional>

#include "app/flags.h"
#include "data/file_checksums.h"
#include "fetch/download.h"
#include "fetch/progress_bar.h"
#include "io/file.h"
#include "lorentznet/error.h"
#include "lorentznet/readers.h"
#include "parallel/collectives.h"

namespace lorentznet {
namespace {

using Path = std::filesystem::path;

/// The experiment that --test_mode --download makes if it is not there.
constexpr const char* kPublishedNetwork = "published";

std::string size_text(std::uint64_t bytes) {
  if (bytes == 0) return "of unknown size";
  const auto megabytes = static_cast<double>(bytes) / 1e6;
  return megabytes < 1000 ? fmt::format("{:.1f} MB", megabytes)
                          : fmt::format("{:.1f} GB", megabytes / 1000);
}

/// Downloads by `download`(options), with lines and a bar.
template <typename Download>
void with_progress(const Log& log, Download download) {
  ProgressBar bar;
  DownloadOptions options;
  options.log = [&](const std::string& line) {
    bar.clear();
    log.info(line);
  };
  options.progress = [&](const auto& file, auto done, auto total) { bar.show(file, done, total); };
  download(options);
  bar.clear();
}

void fetch(const std::vector<PublishedFile>& files, const Path& folder, const Log& log) {
  const auto is_missing = [&](const auto& file) {
    return !std::filesystem::exists(folder / file.name);
  };
  if (std::any_of(files.begin(), files.end(), is_missing)) {
    log.info(fmt::format("Downloading {} files, {}, into {}", files.size(),
                         size_text(bytes_to_download(files, folder)), folder.string()));
  }
  with_progress(log, [&](const auto& options) {
    try {
      download_all(files, folder, options);
    } catch (const InputError& error) {  // the folder may be mistyped
      throw InputError(folder.string() + ": has no data, and the download failed: " + error.what());
    }
  });
}

/// As many files as hold `num_data` jets.
std::vector<PublishedFile> first_files(std::vector<PublishedFile> files, std::int64_t num_data) {
  constexpr std::int64_t kJetsInFile = 100000;
  if (num_data < 0) return files;
  const auto wanted = std::max<std::int64_t>((num_data + kJetsInFile - 1) / kJetsInFile, 1);
  if (static_cast<std::int64_t>(files.size()) > wanted) files.resize(wanted);
  return files;
}

/// A mistyped --datadir must not cost a download of gigabytes: only an empty folder is filled, or
/// one that does not exist, beside others that do. \throws InputError
void require_place(const Task& task, const Arguments& arguments, const Path& folder) {
  const Path datadir = std::filesystem::absolute(Path(arguments.datadir) / ".").parent_path();
  const auto& sets = task.published_sets;
  const auto refuse = [&](const Path& place, const std::string& wanted, const std::string& found) {
    throw InputError(fmt::format(
        "{}: looked for {}, but {}; the published jets are downloaded only into an empty folder, "
        "or a new one beside others",
        place.string(), wanted, found));
  };
  if (const auto others = other_contents(folder); !others.empty()) {
    refuse(folder, sets.files, describe_files(others));
  }
  if (std::filesystem::exists(folder)) return;
  if (const auto others = other_contents(datadir); !others.empty()) {
    refuse(arguments.datadir, fmt::format("{}/ with {}", sets.subfolder, sets.files),
           describe_files(others));
  }
  const bool is_chosen =
      arguments.datadir != default_arguments(task).datadir && !arguments.download;
  if (is_chosen && !std::filesystem::exists(datadir.parent_path())) {
    refuse(arguments.datadir, sets.files,
           fmt::format("there is no folder {} either (--download makes it)",
                       datadir.parent_path().string()));
  }
}

void fetch_data(const Task& task, const Arguments& arguments, const Log& log) {
  const auto& sets = task.published_sets;
  if (sets.on_request && !arguments.download) return;
  Path folder = arguments.datadir;
  if (!sets.subfolder.empty()) folder /= sets.subfolder;
  const auto wanted = sets.name(arguments.generator, arguments.with_bc);
  const auto found = sets.found_in(arguments.datadir, arguments.test_mode);
  const bool asked = arguments.given.contains("generator") || arguments.given.contains("with_bc");
  if (!found.empty() && asked && found != wanted) {
    throw InputError(folder.string() + ": holds " + found +
                     ", but --generator and --with_bc name " + wanted +
                     ": each set needs its own folder");
  }
  const bool only_test = arguments.test_mode && !sets.test_file.empty();
  if (found.empty() || (is_unfinished(folder) && !only_test)) {
    if (!is_unfinished(folder)) require_place(task, arguments, folder);
    auto files = first_files(published_files(wanted), arguments.num_data);
    if (only_test) {
      std::erase_if(files, [&](const auto& file) { return file.name != sets.test_file; });
    }
    fetch(files, folder, log);
  } else if (arguments.download) {
    log.info(folder.string() + " has data: nothing is downloaded");
  }
}

/// Reads --test_data.
void read_test_files(const Task& task, const std::vector<std::string>& files,
                     const DataSelection& selection, DataSplits& data) {
  std::optional<FileChecksums> checksums;
  if (selection.checksums) checksums.emplace(std::vector<Path>(files.begin(), files.end()));
  for (const auto& file : files) data.test.append(task.read_file(file, selection.bad_jets));
  const auto& skipped = data.test.skipped;
  data.skipped.insert(data.skipped.end(), skipped.begin(), skipped.end());
  if (!checksums) return;
  const auto found = checksums->finish();
  data.files.insert(data.files.end(), found.begin(), found.end());
}

void check_test(const JetSet& jets, const Arguments& arguments) {
  if (jets.num_jets() == 0) throw InputError(arguments.datadir + ": the test split has no jets");
  if (jets.has_labels()) return;
  const auto* const flag = !arguments.boost.empty()     ? "--boost"
                           : arguments.equivariance > 0 ? "--equivariance"
                           : arguments.report           ? "--report"
                                                        : nullptr;
  if (flag == nullptr) return;
  const auto without = std::find(jets.label.begin(), jets.label.end(), -1) - jets.label.begin();
  throw InputError(fmt::format("{} (counted from 0): has no label, but {} needs all labels",
                               jets.describe(without), flag));
}

}  // namespace

void fetch_published_network(const Task& task, const Arguments& arguments,
                             const Communicator& ranks, const Log& log) {
  if (!arguments.test_mode || !arguments.download || arguments.exp_name != kPublishedNetwork)
    return;
  if (ranks.rank() == 0) {
    const RunFolder folder(arguments.folder());
    if (std::filesystem::exists(folder.best_model()) && std::filesystem::exists(folder.args())) {
      log.info(folder.path().string() + " has a network: it is not downloaded");
    } else {
      const auto files = published_files(task.published_sets.network);
      log.info(
          fmt::format("Downloading the published network, {}, into {}; it is of "
                      "https://github.com/sdogsq/LorentzNet-release, licence GPL-3.0",
                      size_text(bytes_to_download(files, folder.path())), folder.path().string()));
      with_progress(log,
                    [&](const auto& options) { download_together(files, folder.path(), options); });
    }
  }
  meet(ranks);
}

DataSplits read_data(const Task& task, const Arguments& arguments, const Communicator& ranks,
                     const Log& log) {
  const DataSelection selection{.datadir = arguments.datadir,
                                .num_train = arguments.num_train,
                                .num_data = arguments.num_data,
                                .test_only = arguments.test_mode,
                                .bad_jets = {.skip = arguments.on_bad_jet == OnBadJet::kSkip},
                                .cache = !arguments.no_cache,
                                .log = [&](const std::string& line) { log.info(line); },
                                .checksums = ranks.rank() == 0};
  const bool other_test = !arguments.test_data.empty();
  DataSplits data;
  if (!other_test || !arguments.test_mode) {
    if (ranks.rank() == 0) fetch_data(task, arguments, log);
    meet(ranks);  // other ranks look into the folder only after the download
    data = task.read_splits(selection);
  }
  if (other_test) {
    data.test = {};  // that of --datadir was read with the other splits
    read_test_files(task, arguments.test_data, selection, data);
  }
  data.test_weight = data.test.weight;
  for (auto* jets : {&data.train, &data.val, &data.test}) normalize_weights(*jets);
  check_test(data.test, arguments);
  if (const auto odd = odd_labels(data.train); !odd.empty()) log.info("Warning: " + odd);
  return data;
}

void keep_freed_memory() {
  mallopt(M_MMAP_MAX, 0);
  mallopt(M_TRIM_THRESHOLD, std::numeric_limits<int>::max());
}

}  // namespace lorentznet
