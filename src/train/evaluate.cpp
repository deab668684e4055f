#include "lorentznet/evaluate.h"

#include <ATen/ops/softmax.h>
#include <torch/utils.h>

#include <algorithm>

#include "lorentznet/metrics.h"
#include "train/pass.h"

namespace lorentznet {
namespace {

void append_probabilities(std::vector<float>& probability, const at::Tensor& logits) {
  const auto p = at::softmax(logits, 1).to(at::kFloat).to(at::kCPU).contiguous();
  probability.insert(probability.end(), p.const_data_ptr<float>(),
                     p.const_data_ptr<float>() + p.numel());
}

}  // namespace

std::optional<Scores> evaluate(LorentzNet& model, const JetSet& set, const Task& task,
                               const PoolingRule& rule, const PassOptions& options,
                               const Log& log) {
  const torch::NoGradGuard no_grad;
  model->eval();
  const auto device = model->parameters().front().device();
  BatchLoader loader(set, task, rule, file_order(set.num_jets()),
                     {.batch_size = options.batch_size, .num_workers = options.num_workers});
  Pass pass(options, loader.num_batches(), log, {});
  Scores scores;
  scores.label = set.label;
  for (std::int64_t index = 0; auto batch = loader.next(); ++index) {
    if (options.stop != nullptr && *options.stop) return std::nullopt;
    if (options.beta != 0) batch = boost_along_x(*batch, options.beta);
    batch = batch->to(device);
    const auto logits = model->forward(*batch);
    const auto result = score_batch(logits, batch->label);
    check_finite(result.loss.item<double>(), set, *batch);
    append_probabilities(scores.probability, logits);
    pass.add(index, result.loss.item<double>(), result.correct, batch->num_jets());
  }
  scores.loss = pass.mean_loss();
  scores.accuracy = pass.accuracy();
  scores.seconds = pass.sums().seconds;
  return scores;
}

TestRecord summarize_test(const Scores& scores) {
  TestRecord record;
  record.loss = scores.loss;
  record.accuracy = scores.accuracy;
  record.num_background = std::count(scores.label.begin(), scores.label.end(), 0);
  const auto num_jets = static_cast<std::int64_t>(scores.label.size());
  if (record.num_background == 0 || record.num_background == num_jets) return record;

  std::vector<float> signal(scores.label.size());
  for (std::size_t jet = 0; jet < signal.size(); ++jet)
    signal[jet] = scores.probability[2 * jet + 1];
  const auto curve = roc_curve(signal, scores.label);
  record.auc = roc_auc(signal, scores.label);
  record.rejection_at_30 = background_rejection(curve, 0.3);
  record.rejection_at_50 = background_rejection(curve, 0.5);
  return record;
}

}  // namespace lorentznet
