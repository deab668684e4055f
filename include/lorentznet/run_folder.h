#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

namespace lorentznet {

/// The folder LOGDIR/EXP_NAME of an experiment and the names of its files.
class RunFolder {
 public:
  explicit RunFolder(std::filesystem::path path) : path_(std::move(path)) {}

  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path args() const { return path_ / "args.json"; }
  std::filesystem::path train_result() const { return path_ / "train-result.json"; }
  std::filesystem::path test_result() const { return path_ / "test-result.json"; }
  std::filesystem::path scores() const { return path_ / "score.npy"; }
  /// The scores with the user's ids, where the jets have some.
  std::filesystem::path score_archive() const { return path_ / "score.npz"; }
  std::filesystem::path best_model() const { return path_ / "best-val-model.pt"; }
  std::filesystem::path checkpoint(std::int64_t epoch) const;
  std::filesystem::path boost(double beta) const;
  std::filesystem::path uncertainties() const { return path_ / "test-uncertainty.json"; }
  std::filesystem::path equivariance() const { return path_ / "equivariance.json"; }
  std::filesystem::path log() const { return path_ / "run.log"; }
  std::filesystem::path report() const { return path_ / "report.html"; }
  /// A folder: what scripts/plot.py draws of this experiment alone.
  std::filesystem::path plots() const { return path_ / "plots"; }
  /// What a stopped training goes on from.
  std::filesystem::path training_state() const { return path_ / "training-state.pt"; }

  /// Whether something is there besides what a killed run left half written.
  bool has_files() const;
  /// Creates the folder where it is missing, and shows that files can be written there.
  /// \throws std::system_error naming it
  void create() const;
  /// Removes what an earlier run wrote, and nothing else.
  void remove_results() const;

  /// Removes what a killed run left half written.
  void remove_partial_files() const;

 private:
  std::vector<std::filesystem::path> files_where(
      const std::function<bool(const std::string&)>& chosen) const;

  std::filesystem::path path_;
};

/// 8 random letters and digits.
std::string random_name();

}  // namespace lorentznet
