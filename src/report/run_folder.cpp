#include <fmt/format.h>

#include <random>
#include <string_view>
#include <vector>

#include "io/file.h"
#include "io/folder_lock.h"
#include "lorentznet/records.h"
#include "report/event_file.h"
#include "report/result_files.h"

namespace lorentznet {
namespace fs = std::filesystem;
namespace {

constexpr std::string_view kCheckpointPrefix = "checkpoint-epoch-";
constexpr std::string_view kBoostPrefix = "boost-";

bool is_partial(const std::string& name) { return name.ends_with(".partial"); }

bool is_result(const std::string& name, const RunFolder& folder) {
  for (const auto& file :
       {folder.args(), folder.train_result(), folder.train_provenance(), folder.test_result(),
        folder.scores(), folder.score_archive(), folder.best_model(), folder.training_state(),
        folder.uncertainties(), folder.equivariance(), folder.log(), folder.report()}) {
    if (file.filename() == name) return true;
  }
  return name.starts_with(kCheckpointPrefix) || name.starts_with(kBoostPrefix) ||
         name.starts_with(kEventFilePrefix);
}

}  // namespace

fs::path RunFolder::checkpoint(std::int64_t epoch) const {
  return path_ / fmt::format("{}{}.pt", kCheckpointPrefix, epoch);
}

fs::path RunFolder::boost(double beta) const {
  return path_ / fmt::format("{}{}.json", kBoostPrefix, beta);
}

bool RunFolder::has_files() const {
  return !files_where([](const std::string& name) {
            return !is_partial(name) && name != FolderLock::kFileName && name != kResultsLock;
          }).empty();
}

std::optional<fs::path> RunFolder::a_result() const {
  const auto results = files_where([this](const std::string& name) {
    return is_result(name, *this) && name != args().filename() && name != log().filename() &&
           name != train_provenance().filename() && !name.starts_with(kEventFilePrefix);
  });
  return results.empty() ? std::nullopt : std::optional(results.front());
}

void RunFolder::create() const {
  make_folders(path_);
  // Without commit(), the WholeFile removes itself.
  WholeFile probe(path_ / "probe");
  probe.append("x");
}

void RunFolder::remove_results() const {
  for (const auto& file :
       files_where([this](const auto& name) { return is_result(name, *this); })) {
    fs::remove(file);
  }
  fs::remove_all(plots());
}

void RunFolder::remove_partial_files() const {
  for (const auto& file : files_where(is_partial)) fs::remove(file);
}

std::vector<fs::path> RunFolder::files_where(
    const std::function<bool(const std::string&)>& chosen) const {
  std::vector<fs::path> files;
  if (!fs::exists(path_)) return files;
  for (const auto& file : list_folder(path_)) {
    if (chosen(file.filename().string())) files.push_back(file);
  }
  return files;
}

std::string random_name() {
  constexpr std::string_view kLetters =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
  std::random_device random;
  std::uniform_int_distribution<std::size_t> draw(0, kLetters.size() - 1);
  std::string name;
  for (int k = 0; k < 8; ++k) name += kLetters[draw(random)];
  return name;
}

}  // namespace lorentznet
