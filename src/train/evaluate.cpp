// Passes through a split: the sums and lines of train/pass.h, and evaluate().
#include "lorentznet/evaluate.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/argmax.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/cross_entropy_loss.h>
#include <fmt/format.h>
#include <torch/utils.h>

#include <algorithm>
#include <cmath>
#include <span>
#include <stdexcept>
#include <utility>

#include "data/probabilities.h"
#include "kernels/transfer.h"
#include "lorentznet/error.h"
#include "model/frame.h"
#include "parallel/collectives.h"
#include "train/loader.h"
#include "train/pass.h"

namespace lorentznet {
namespace {

/// Logits and figures of a batch, which its device sends in one message.
struct BatchScores {
  std::vector<double> logits;  ///< [J, K]
  BatchFigures figures;        ///< loss and hits are NaN if labels are unknown
};

/// The scores and figures of all batches of a pass. Each rank fills in its own, and sums over the
/// ranks make them complete.
class SharedScores {
 public:
  SharedScores(std::int64_t jets, std::int64_t classes, std::int64_t batches)
      : classes_(classes),
        logits_(static_cast<std::size_t>(jets * classes)),
        figures_(static_cast<std::size_t>(batches * kFigures)) {}

  void add(std::int64_t index, const Batch& batch, const BatchScores& scores) {
    std::transform(scores.logits.begin(), scores.logits.end(),
                   logits_.begin() + batch.jets.front() * classes_,  // its jets follow each other
                   [](double logit) { return static_cast<float>(logit); });
    const auto& figures = scores.figures;
    auto* const row = figures_.data() + index * kFigures;
    row[0] = figures.loss;
    row[1] = figures.correct;
    row[2] = figures.weight;
    row[3] = static_cast<double>(figures.jets);
  }
  /// Counts the batches begin .. end-1 of all ranks in order, as one process does.
  void count(std::int64_t begin, std::int64_t end, const Communicator& ranks, Pass& pass) {
    sum_values(ranks, std::span(figures_.data() + begin * kFigures,
                                static_cast<std::size_t>((end - begin) * kFigures)));
    for (auto index = begin; index < end; ++index) {
      const auto* const row = figures_.data() + index * kFigures;
      pass.add(index, {.loss = row[0],
                       .correct = row[1],
                       .weight = row[2],
                       .jets = static_cast<std::int64_t>(row[3])});
    }
  }
  /// [N, K] each, once.
  std::pair<std::vector<float>, std::vector<float>> take_logits_and_probabilities(
      const Communicator& ranks) {
    sum_values(ranks, std::span(logits_));
    std::vector<float> probability(logits_.size());
    for (std::size_t at = 0; at < logits_.size(); at += static_cast<std::size_t>(classes_)) {
      probabilities_of(&logits_[at], static_cast<int>(classes_), &probability[at]);
    }
    return {std::move(logits_), std::move(probability)};
  }

 private:
  static constexpr std::int64_t kFigures = 4;  // loss, correct, weight, jets
  std::int64_t classes_;
  std::vector<float> logits_;    // [N, K]
  std::vector<double> figures_;  // [batches, 4]
};

void check_pass(const PassOptions& options, const JetSet& set, std::int64_t n_class) {
  if (options.batch_size < 1 || options.log_interval < 1) {
    throw InputError(
        fmt::format("batches of {} jets, a line every {} batches: both must be above 0",
                    options.batch_size, options.log_interval));
  }
  if (set.num_classes() > n_class) {
    throw InputError(fmt::format("jets of class {}, the network has classes 0 to {}",
                                 set.num_classes() - 1, n_class - 1));
  }
}

BatchScores read_scores(const at::Tensor& logits, const JetSet& set, const Batch& batch,
                        bool has_labels) {
  auto numbers = logits.to(at::kDouble).flatten();
  if (has_labels) numbers = at::cat({numbers, score_batch(logits, batch).figures});
  const ReadBack message(numbers);
  const auto all = message.get();
  const auto count = static_cast<std::size_t>(logits.numel());
  for (const auto logit : all.first(count)) check_finite(logit, set, batch.jets);
  BatchScores scores{.logits = {all.begin(), all.begin() + static_cast<std::ptrdiff_t>(count)},
                     .figures = {.loss = std::nan(""),
                                 .correct = std::nan(""),
                                 .weight = static_cast<double>(batch.num_jets()),
                                 .jets = batch.num_jets()}};
  if (has_labels) scores.figures = figures_of(all.subspan(count), batch.num_jets());
  if (has_labels) check_finite(scores.figures.loss, set, batch.jets);
  return scores;
}

}  // namespace

Pass::Pass(const PassOptions& options, std::int64_t num_batches, const Log& log,
           const PassSums& before, std::optional<double> learning_rate)
    : options_(options),
      num_batches_(num_batches),
      log_(log),
      sums_(before),
      learning_rate_(learning_rate) {}

void Pass::add(std::int64_t index, const BatchFigures& batch) {
  sums_.loss += batch.loss * static_cast<double>(batch.jets);
  sums_.correct += batch.correct;
  sums_.weight += batch.weight;
  sums_.jets += batch.jets;
  recent_.push_back(batch);
  if (static_cast<std::int64_t>(recent_.size()) > options_.log_interval) recent_.pop_front();
  if (index != 0 && index % options_.log_interval == 0) report(index);
  if (options_.observer != nullptr) tell_observer(index);
}

PassSums Pass::sums() const {
  PassSums sums = sums_;
  sums.seconds += std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
  return sums;
}

double Pass::recent_loss() const {
  double loss = 0;
  for (const auto& batch : recent_) loss += batch.loss;
  return loss / static_cast<double>(recent_.size());
}

double Pass::recent_accuracy() const {
  double correct = 0, weight = 0;
  for (const auto& batch : recent_) {
    correct += batch.correct;
    weight += batch.weight;
  }
  return correct / weight;
}

void Pass::report(std::int64_t index) const {
  auto line = fmt::format(">> {} \t Epoch {}/{} \t Batch {}/{}", options_.partition,
                          options_.epoch + 1, options_.epochs, index, num_batches_);
  if (!std::isnan(recent_.back().loss)) {  // the labels are known
    const auto seconds_per_jet = sums().seconds / static_cast<double>(sums_.jets);
    line += fmt::format(
        " \t Loss {:.4f} \t Running Acc {:.3f} \t Total Acc {:.3f} \t Avg Batch Time {:.4f}",
        recent_loss(), recent_accuracy(), accuracy(),
        seconds_per_jet * static_cast<double>(recent_.back().jets));
  }
  log_.progress(line);
}

void Pass::tell_observer(std::int64_t index) const {
  options_.observer->on_batch({.partition = options_.partition,
                               .epoch = options_.epoch,
                               .epochs = options_.epochs,
                               .batches_done = index + 1,
                               .batches = num_batches_,
                               .jets = sums_.jets,
                               .seconds = sums().seconds,
                               .loss = mean_loss(),
                               .accuracy = accuracy(),
                               .learning_rate = learning_rate_});
}

at::Tensor tagged_right(const at::Tensor& values, const at::Tensor& label) {
  return values.argmax(1).eq(label);
}

BatchResult score_batch(const at::Tensor& logits, const Batch& batch) {
  const auto right = tagged_right(logits, batch.label);
  const auto row = [](const at::Tensor& number) {
    return number.detach().to(at::kDouble).view({1});
  };
  if (!batch.weight.defined()) {
    const auto loss = at::cross_entropy_loss(logits, batch.label);
    return {.loss = loss, .figures = at::cat({row(loss), row(right.sum())})};
  }
  const auto of_jet = at::cross_entropy_loss(logits, batch.label, {}, at::Reduction::None);
  const auto loss = (of_jet * batch.weight.to(of_jet.scalar_type())).mean();
  return {
      .loss = loss,
      .figures = at::cat({row(loss), row((right * batch.weight).sum()), row(batch.weight.sum())})};
}

BatchFigures figures_of(std::span<const double> figures, std::int64_t jets) {
  return {.loss = figures[0],
          .correct = figures[1],
          .weight = figures.size() > 2 ? figures[2] : static_cast<double>(jets),
          .jets = jets};
}

void check_finite(double loss, const JetSet& set, std::span<const std::int64_t> jets) {
  if (std::isfinite(loss)) return;
  std::string names;
  for (const auto jet : jets) names += (names.empty() ? "" : ", ") + set.describe(jet);
  throw std::runtime_error("the loss is not finite; jets of the batch: " + names);
}

std::optional<Scores> evaluate(LorentzNet& model, const JetSet& set, const Task& task,
                               const PoolingRule& rule, const PassOptions& options, const Log& log,
                               const ResidentJets* resident) {
  const torch::NoGradGuard no_grad;
  const auto& ranks = *options.ranks;
  check_pass(options, set, model->options().n_class);
  model->eval();
  const auto device = model->parameters().front().device();
  BatchLoader loader(set, task, rule, file_order(set.num_jets()),
                     {.batch_size = options.batch_size,
                      .num_workers = options.num_workers,
                      .rank = ranks.rank(),
                      .ranks = ranks.size(),
                      .device = options.frame.moves() ? at::Device(at::kCPU) : device,
                      .resident = resident});
  const auto batches = loader.num_batches();
  Pass pass(options, batches, log, {});
  SharedScores shared(set.num_jets(), model->options().n_class, batches);
  const bool has_labels = set.has_labels();
  // The ranks wait for each other only when a line of progress is due.
  const auto block = ranks.size() == 1 ? 1 : std::max(options.log_interval, ranks.size());
  auto next = ranks.rank();  // this rank's next batch
  for (std::int64_t begin = 0; begin < batches; begin += block) {
    const auto end = std::min(begin + block, batches);
    bool stopped = false;
    for (; next < end; next += ranks.size()) {
      stopped = options.stop != nullptr && *options.stop;
      if (stopped) break;
      auto batch = loader.next().value();
      if (options.frame.moves()) batch = seen_from(batch, options.frame);
      batch = batch.to(device);
      shared.add(next, batch, read_scores(model->forward(batch), set, batch, has_labels));
    }
    if (any_rank(ranks, stopped)) return std::nullopt;
    shared.count(begin, end, ranks, pass);
  }
  auto [logits, probability] = shared.take_logits_and_probabilities(ranks);
  return Scores{.loss = pass.mean_loss(),
                .accuracy = pass.accuracy(),
                .seconds = pass.sums().seconds,
                .logits = std::move(logits),
                .probability = std::move(probability),
                .label = {set.label.begin(), set.label.end()},
                .weight = {set.weight.begin(), set.weight.end()},
                .id = {set.id.begin(), set.id.end()}};
}

std::optional<Scores> evaluate(LorentzNet& model, const JetSet& set, const Task& task,
                               const PoolingRule& rule, const PassOptions& options,
                               const Log& log) {
  return evaluate(model, set, task, rule, options, log, nullptr);
}

}  // namespace lorentznet
