#include "lorentznet/evaluate.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/softmax.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <torch/utils.h>

#include <algorithm>
#include <cmath>

#include "lorentznet/metrics.h"
#include "parallel/collectives.h"
#include "train/loader.h"
#include "train/pass.h"

namespace lorentznet {
namespace {

/// What of a pass the ranks share: each fills in its own batches, and sums make all of them.
class SharedScores {
 public:
  SharedScores(std::int64_t jets, std::int64_t classes, std::int64_t batches)
      : probability_(at::zeros({jets, classes}, at::kFloat)),
        figures_(at::zeros({batches, kFigures}, at::kDouble)) {}

  void add(std::int64_t index, const Batch& batch, const at::Tensor& logits,
           const BatchFigures& figures) {
    const auto p = at::softmax(logits, 1).to(at::kFloat).to(at::kCPU);
    probability_.narrow(0, batch.jets.front(), batch.num_jets()).copy_(p);
    figures_[index].copy_(at::tensor(
        {figures.loss, figures.correct, figures.weight, static_cast<double>(figures.jets)},
        at::kDouble));
  }
  /// Counts the batches begin .. end-1 of all ranks in order, as one process does.
  void count(std::int64_t begin, std::int64_t end, const Communicator& ranks, Pass& pass) {
    const auto rows = figures_.narrow(0, begin, end - begin);
    ranks.sum(rows);
    for (auto index = begin; index < end; ++index) {
      const auto* const row = figures_.const_data_ptr<double>() + index * kFigures;
      pass.add(index, {.loss = row[0],
                       .correct = row[1],
                       .weight = row[2],
                       .jets = static_cast<std::int64_t>(row[3])});
    }
  }
  std::vector<float> probabilities(const Communicator& ranks) const {
    ranks.sum(probability_);
    const auto* const p = probability_.const_data_ptr<float>();
    return {p, p + probability_.numel()};
  }

 private:
  static constexpr std::int64_t kFigures = 4;  // loss, correct, weight, jets
  at::Tensor probability_;                     // [N, K]
  at::Tensor figures_;                         // [batches, 4]
};

void check_logits(const at::Tensor& logits, const JetSet& set, const Batch& batch) {
  check_finite(logits.abs().max().item<double>(), set, batch);
}

/// Figures of a batch; loss and hits that are not finite where labels are not known.
BatchFigures figures_of(const at::Tensor& logits, const JetSet& set, const Batch& batch,
                        bool has_labels) {
  BatchFigures figures{.loss = std::nan(""),
                       .correct = std::nan(""),
                       .weight = static_cast<double>(batch.num_jets()),
                       .jets = batch.num_jets()};
  check_logits(logits, set, batch);
  if (!has_labels) return figures;
  const auto result = score_batch(logits, batch);
  figures.loss = result.loss.item<double>();
  figures.correct = result.correct;
  figures.weight = result.weight;
  check_finite(figures.loss, set, batch);
  return figures;
}

bool is_set(const std::atomic<bool>* stop) { return stop != nullptr && *stop; }

}  // namespace

std::optional<Scores> evaluate(LorentzNet& model, const JetSet& set, const Task& task,
                               const PoolingRule& rule, const PassOptions& options,
                               const Log& log) {
  const torch::NoGradGuard no_grad;
  const auto& ranks = *options.ranks;
  model->eval();
  const auto device = model->parameters().front().device();
  BatchLoader loader(set, task, rule, file_order(set.num_jets()),
                     {.batch_size = options.batch_size,
                      .num_workers = options.num_workers,
                      .rank = ranks.rank(),
                      .ranks = ranks.size(),
                      .resident = options.resident});
  const auto batches = loader.num_batches();
  Pass pass(options, batches, log, {});
  SharedScores shared(set.num_jets(), model->options().n_class, batches);
  const bool has_labels = set.has_labels();
  // Ranks wait for each other where a line of progress is due, no sooner.
  const auto block = ranks.size() == 1 ? 1 : std::max(options.log_interval, ranks.size());
  bool stopped = false;
  for (std::int64_t begin = 0; begin < batches; begin += block) {
    const auto end = std::min(begin + block, batches);
    const auto first = (begin + ranks.size() - 1 - ranks.rank()) / ranks.size();
    for (auto index = first * ranks.size() + ranks.rank(); index < end; index += ranks.size()) {
      stopped = stopped || is_set(options.stop);
      if (stopped) break;
      auto batch = loader.next().value();
      if (options.frame.moves()) batch = seen_from(batch, options.frame);
      batch = batch.to(device);
      const auto logits = model->forward(batch);
      shared.add(index, batch, logits, figures_of(logits, set, batch, has_labels));
    }
    if (sum_figures(ranks, {stopped ? 1. : 0.})[0] > 0) return std::nullopt;
    shared.count(begin, end, ranks, pass);
  }
  Scores scores;
  scores.label.assign(set.label.begin(), set.label.end());
  scores.weight.assign(set.weight.begin(), set.weight.end());
  scores.id.assign(set.id.begin(), set.id.end());
  scores.probability = shared.probabilities(ranks);
  scores.loss = pass.mean_loss();
  scores.accuracy = pass.accuracy();
  scores.seconds = pass.sums().seconds;
  return scores;
}

TestRecord summarize_test(const Scores& scores) {
  TestRecord record;
  record.loss = scores.loss;
  record.accuracy = scores.accuracy;
  const auto classes = scores.num_classes();
  if (classes > 2) {
    record.auc_of_class = one_vs_rest_auc(scores.probability, classes, scores.label, scores.weight);
    record.auc = mean_auc(record.auc_of_class);
    return record;
  }
  record.num_background = std::count(scores.label.begin(), scores.label.end(), 0);
  const auto num_jets = static_cast<std::int64_t>(scores.label.size());
  if (record.num_background == 0 || record.num_background == num_jets) return record;

  const auto figures =
      ranking_figures(column_of(scores.probability, classes, 1), scores.label, scores.weight);
  record.auc = figures.auc;
  record.rejection_at_30 = figures.rejection_at_30;
  record.rejection_at_50 = figures.rejection_at_50;
  return record;
}

}  // namespace lorentznet
