#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "lorentznet/metrics.h"

namespace lorentznet {

/// Audience of a line.
enum class Level {
  kDetail,    ///< those who ask with -v; the log file
  kProgress,  ///< everyone, except on a terminal, where a live line shows the same
  kInfo,      ///< everyone
  kResult,    ///< also those who want nothing else, with -q
};

/// Receives lines for people, one at a time; without a function it drops them.
struct Log {
  std::function<void(Level, const std::string&)> write = {};

  void line(Level level, const std::string& text) const {
    if (write) write(level, text);
  }
  void detail(const std::string& text) const { line(Level::kDetail, text); }
  void progress(const std::string& text) const { line(Level::kProgress, text); }
  void info(const std::string& text) const { line(Level::kInfo, text); }
  void result(const std::string& text) const { line(Level::kResult, text); }
};

/// What train-result.json holds: one entry per validated epoch. Times are in seconds.
struct TrainingRecord {
  std::vector<std::int64_t> epochs;  ///< from 0
  std::vector<double> lr, train_time, val_time, train_loss, val_loss, train_acc, val_acc;
  double best_val = 0;          ///< highest validation accuracy so far
  std::int64_t best_epoch = 0;  ///< the first epoch that reached it
};

/// What test-result.json holds besides. AUC and rejections are empty, null in JSON, if the jets are
/// of one class only, or all weights of a class are 0; a rejection also if no background jet
/// passes.
struct TestRecord {
  double loss = 0, accuracy = 0;
  std::optional<double> auc = {}, rejection_at_30 = {}, rejection_at_50 = {};
  /// If the jets have weights: the number of jets of equal weight that count as well as the
  /// background jets, (sum w)^2 / sum w^2 (Kish 1965).
  std::int64_t num_background = 0;
  /// With more than two classes: one_vs_rest(). `auc` is then mean_auc(), and there are no
  /// rejections.
  std::vector<std::optional<RankingFigures>> of_class = {};
};

/// Scores of N jets in the order of their set; K classes. Jets count by their weights, if they have
/// weights. If a label is unknown, loss and accuracy are NaN.
struct Scores {
  double loss = 0;      ///< mean cross-entropy
  double accuracy = 0;  ///< fraction of jets whose largest logit is that of their label
  double seconds = 0;
  std::vector<float> logits;       ///< [N, K]
  std::vector<float> probability;  ///< [N, K] (p0, p1, ...), their softmax
  std::vector<std::int8_t> label;  ///< [N]; -1: unknown
  std::vector<double> weight;      ///< [N]; empty: 1 each
  std::vector<std::int64_t> id;    ///< [N]; empty: none

  std::int64_t num_classes() const {
    return static_cast<std::int64_t>(probability.size() / label.size());
  }
};

/// The figures of a test; all labels must be known.
TestRecord summarize_test(const Scores& scores);

/// The state of a pass through a split after one of its batches.
struct PassProgress {
  const std::string& partition;              ///< "train", "valid", "val" or "test"
  std::int64_t epoch, epochs;                ///< from 0; number of epochs
  std::int64_t batches_done, batches;        ///< of the pass
  std::int64_t jets;                         ///< done, by all ranks
  double seconds;                            ///< since the pass began
  double loss, accuracy;                     ///< means so far
  std::optional<double> learning_rate = {};  ///< in training
};

/// A training, every log_interval steps.
struct StepFigures {
  std::int64_t step;      ///< steps done since the training began, from 1
  double loss, accuracy;  ///< means over the last log_interval steps of the epoch, or fewer
  double learning_rate;
  double jets_per_second;  ///< of the epoch so far
  double gradient_norm;    ///< of the step: root of the sum of the squares of all gradients
};

/// An epoch that was validated.
struct EpochFigures {
  std::int64_t step;  ///< steps done since the training began
  std::int64_t epoch;
  double train_loss, train_accuracy, val_loss, val_accuracy;
  double learning_rate;
  std::optional<double> auc, rejection_at_30, rejection_at_50;  ///< of the validation
  double clamped_fraction;  ///< of the translations of a few validation jets
};

/// Receives the figures of a run while it computes. Its functions are called by the computing
/// thread, so they should return quickly.
class Observer {
 public:
  virtual ~Observer() = default;
  virtual void on_batch(const PassProgress& /*progress*/) {}
  virtual void on_step(const StepFigures& /*figures*/) {}
  virtual void on_epoch(const EpochFigures& /*figures*/) {}
};

/// The folder LOGDIR/EXP_NAME of an experiment and the names of its files.
class RunFolder {
 public:
  explicit RunFolder(std::filesystem::path path) : path_(std::move(path)) {}

  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path args() const { return path_ / "args.json"; }
  std::filesystem::path train_result() const { return path_ / "train-result.json"; }
  /// Program, command and data of each run of the training.
  std::filesystem::path train_provenance() const { return path_ / "train-provenance.json"; }
  std::filesystem::path test_result() const { return path_ / "test-result.json"; }
  std::filesystem::path scores() const { return path_ / "score.npy"; }
  /// The scores as logits and in double, with labels, weights and ids.
  std::filesystem::path score_archive() const { return path_ / "score.npz"; }
  std::filesystem::path best_model() const { return path_ / "best-val-model.pt"; }
  std::filesystem::path checkpoint(std::int64_t epoch) const;
  std::filesystem::path boost(double beta) const;
  std::filesystem::path uncertainties() const { return path_ / "test-uncertainty.json"; }
  std::filesystem::path equivariance() const { return path_ / "equivariance.json"; }
  std::filesystem::path log() const { return path_ / "run.log"; }
  std::filesystem::path report() const { return path_ / "report.html"; }
  /// The folder of what scripts/plot.py draws of this experiment alone.
  std::filesystem::path plots() const { return path_ / "plots"; }
  /// What a stopped training continues from.
  std::filesystem::path training_state() const { return path_ / "training-state.pt"; }

  /// Whether it holds files, other than locks and those that a killed run left incomplete.
  bool has_files() const;
  /// A file that a run has computed, if there is one: not args.json, nor logs.
  std::optional<std::filesystem::path> a_result() const;
  /// Creates the folder if it is missing, and tests that files can be written there.
  /// \throws std::system_error naming it
  void create() const;
  /// Removes what an earlier run wrote, and nothing else.
  void remove_results() const;
  /// Removes the files that a killed run left incomplete.
  void remove_partial_files() const;

 private:
  std::vector<std::filesystem::path> files_where(
      const std::function<bool(const std::string&)>& chosen) const;

  std::filesystem::path path_;
};

/// 8 random letters and digits.
std::string random_name();

}  // namespace lorentznet
