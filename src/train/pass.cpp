#include "train/pass.h"

#include <ATen/ops/argmax.h>
#include <ATen/ops/cross_entropy_loss.h>
#include <fmt/format.h>

#include <cmath>
#include <stdexcept>

namespace lorentznet {

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
  if (std::isnan(recent_.back().loss)) {  // labels that are not known
    log_.progress(fmt::format(">> {} \t Epoch {}/{} \t Batch {}/{}", options_.partition,
                              options_.epoch + 1, options_.epochs, index, num_batches_));
    return;
  }
  const auto last_jets = static_cast<double>(recent_.back().jets);
  log_.progress(fmt::format(
      ">> {} \t Epoch {}/{} \t Batch {}/{} \t Loss {:.4f} \t Running Acc {:.3f} \t "
      "Total Acc {:.3f} "
      "\t Avg Batch Time {:.4f}",
      options_.partition, options_.epoch + 1, options_.epochs, index, num_batches_, recent_loss(),
      recent_accuracy(), accuracy(), sums().seconds / static_cast<double>(sums_.jets) * last_jets));
}

void check_finite(double loss, const JetSet& set, const Batch& batch) {
  if (std::isfinite(loss)) return;
  std::string jets;
  for (const auto jet : batch.jets) jets += (jets.empty() ? "" : ", ") + set.describe(jet);
  throw std::runtime_error("the loss is not finite; jets of the batch: " + jets);
}

BatchResult score_batch(const at::Tensor& logits, const Batch& batch) {
  const auto hit = logits.argmax(1).eq(batch.label);
  if (!batch.weight.defined()) {
    return {.loss = at::cross_entropy_loss(logits, batch.label),
            .correct = hit.sum().item<double>(),
            .weight = static_cast<double>(batch.num_jets())};
  }
  const auto of_jet = at::cross_entropy_loss(logits, batch.label, {}, at::Reduction::None);
  return {.loss = (of_jet * batch.weight.to(of_jet.scalar_type())).mean(),
          .correct = (hit * batch.weight).sum().item<double>(),
          .weight = batch.weight.sum().item<double>()};
}

}  // namespace lorentznet
