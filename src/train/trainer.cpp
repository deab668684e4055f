#include "lorentznet/trainer.h"

#include <ATen/ops/norm.h>
#include <ATen/ops/stack.h>
#include <fmt/format.h>

#include <algorithm>
#include <stdexcept>

#include "kernels/plain_kernel.h"
#include "lorentznet/checkpoint.h"
#include "lorentznet/error.h"
#include "parallel/collectives.h"
#include "report/result_files.h"
#include "train/checksum.h"
#include "train/jets_on_device.h"
#include "train/loader.h"
#include "train/pass.h"
#include "train/training_state.h"

namespace lorentznet {
namespace {

void check_split(const JetSet& set, const std::string& name, std::int64_t at_least) {
  if (set.num_jets() >= at_least) return;
  const auto file = set.sources.empty() ? "" : set.sources.front().file + ": ";
  throw InputError(fmt::format("{}the {} split has {} jets, at least {} are needed", file, name,
                               set.num_jets(), at_least));
}

void check_labels(const JetSet& set, const std::string& name, std::int64_t n_class) {
  for (std::int64_t jet = 0; jet < set.num_jets(); ++jet) {
    const auto label = set.label[static_cast<std::size_t>(jet)];
    if (label >= 0 && label < n_class) continue;
    throw InputError(
        label < 0
            ? fmt::format("{}: has no label, and the {} split needs one", set.describe(jet), name)
            : fmt::format("{}: label {} of the {} split, the network has classes 0 to {}",
                          set.describe(jet), label, name, n_class - 1));
  }
}

/// A number that depends on every bit of the parameters.
std::int64_t checksum_of(const LorentzNetImpl& model) {
  Checksum sum;
  for (const auto& parameter : model.parameters()) {
    const auto values = parameter.detach().to(at::kCPU).contiguous();
    sum.add({static_cast<const std::byte*>(values.const_data_ptr()), values.nbytes()});
  }
  return sum.value();
}

/// Root of the sum of the squares of all gradients.
double gradient_norm(LorentzNetImpl& model) {
  std::vector<at::Tensor> norms;
  for (const auto& parameter : model.parameters()) {
    if (parameter.grad().defined()) norms.push_back(at::norm(parameter.grad()));
  }
  return at::norm(at::stack(norms)).item<double>();
}

/// Of the translations of the first validation jets: so few that it costs less than a thousandth of
/// the epoch, the plain kernel taking a few times as long as a step of training.
double clamped_fraction(LorentzNet& model, const Trainer::Data& data) {
  constexpr std::int64_t train_jets_per_jet = 3000, most = 32;
  const auto jets = std::clamp<std::int64_t>(data.train.num_jets() / train_jets_per_jet, 1,
                                             std::min(most, data.val.num_jets()));
  const auto batch = make_batch(data.val, file_order(jets), data.task, data.rule, false);
  const auto count = std::make_shared<TranslationCount>();
  const torch::NoGradGuard no_grad;
  model->eval();
  const auto device = model->parameters().front().device();
  model->forward(batch.to(device), plain_kernels(single_process(), {.count = count}));
  return count->fraction();
}

}  // namespace

Trainer::Trainer(LorentzNet model, const Data& data, TrainerOptions options, RunFolder folder,
                 Log log)
    : model_(std::move(model)),
      data_(data),
      options_(std::move(options)),
      folder_(std::move(folder)),
      log_(std::move(log)),
      optimizer_(model_->parameters(), torch::optim::AdamWOptions(options_.learning_rate(0))
                                           .weight_decay(options_.weight_decay)),
      setup_(std::make_unique<const TrainingSetup>(data.train, data.val, options_.batch_size)),
      progress_(std::make_unique<TrainingProgress>()) {
  check_split(data_.train, "training", options_.batch_size * options_.ranks->size());
  check_split(data_.val, "validation", 1);
  check_labels(data_.train, "training", model_->options().n_class);
  check_labels(data_.val, "validation", model_->options().n_class);
  if (const auto rank = first_different(*options_.ranks, setup_->checksum)) {
    throw InputError(fmt::format("rank {} has other jets than rank 0", rank));
  }
  model_->share_statistics(options_.ranks);
  broadcast_module(*options_.ranks, *model_);
}

Trainer::~Trainer() = default;

const TrainingRecord& Trainer::record() const { return progress_->record; }

bool Trainer::resume() {
  const auto file = folder_.training_state();
  if (!std::filesystem::exists(file)) return false;
  const auto& ranks = *options_.ranks;
  auto [progress, writers] = read_training_state(file, *model_, optimizer_, *setup_, ranks);
  *progress_ = std::move(progress);
  if (writers != ranks.size()) {
    log_.info(fmt::format(
        "The number of ranks changes from {} to {}: a step is of {} jets, not of {}, "
        "and dropout draws other numbers",
        writers, ranks.size(), ranks.size() * options_.batch_size, writers * options_.batch_size));
  }
  return true;
}

Trainer::Outcome Trainer::run(const std::atomic<bool>& stop) {
  const auto device = model_->parameters().front().device();
  if (!on_device_) on_device_ = keep_on_device(data_, device, options_.jets_on_device, log_);
  while (progress_->epoch < options_.epochs) {
    const bool validates = progress_->epoch % options_.val_interval == 0;
    if (!train_epoch(stop) || (validates && !validate(stop))) {
      save_state();
      return Outcome::kStopped;
    }
    ++progress_->epoch;
    progress_->step = 0;
    progress_->sums = {};
    if (validates || progress_->epoch == options_.epochs) save_state();
  }
  // The stop may have come after the last step, on any rank.
  const bool stopped = sum_figures(*options_.ranks, {stop ? 1. : 0.})[0] > 0;
  return stopped ? Outcome::kStopped : Outcome::kFinished;
}

/// \return false if stopped; progress_ then tells where.
bool Trainer::train_epoch(const std::atomic<bool>& stop) {
  const auto epoch = progress_->epoch;
  optimizer_.param_groups().front().options().set_lr(options_.learning_rate(epoch));
  model_->train();
  const auto jets = data_.train.num_jets();
  auto order = options_.shuffle
                   ? shuffled_order(jets, options_.seed + static_cast<std::uint64_t>(epoch))
                   : file_order(jets);
  BatchLoader loader(data_.train, data_.task, data_.rule, std::move(order),
                     {.batch_size = options_.batch_size,
                      .for_training = true,
                      .first_jet = progress_->sums.jets,
                      .num_workers = options_.num_workers,
                      .rank = options_.ranks->rank(),
                      .ranks = options_.ranks->size(),
                      .resident = on_device_ ? &on_device_->train : nullptr});
  const auto options = pass_options("train");
  Pass pass(options, progress_->step + loader.num_batches(), log_, progress_->sums,
            options_.learning_rate(epoch));
  while (auto batch = loader.next()) {
    const bool goes_on = train_step(*batch, pass, stop);
    progress_->sums = pass.sums();
    if (!goes_on) return false;
  }
  log_.info(fmt::format("Time: train: {:.2f} \t Train loss {:.4f} \t Train acc: {:.4f}",
                        progress_->sums.seconds, pass.mean_loss(), pass.accuracy()));
  return true;
}

/// \return false if a rank is to stop
bool Trainer::train_step(const Batch& batch, Pass& pass, const std::atomic<bool>& stop) {
  const auto& ranks = *options_.ranks;
  const auto device = model_->parameters().front().device();
  const auto on_device = batch.to(device);
  optimizer_.zero_grad();
  const auto [loss, correct, weight] = score_batch(model_->forward(on_device), on_device);
  const auto value = loss.item<double>();
  // No rank gets past the gradients' sum without the others, so none steps behind such a loss.
  check_finite(value, data_.train, batch);
  loss.backward();
  average_gradients(ranks, *model_);
  const auto norm = observes_step() ? gradient_norm(*model_) : 0;
  optimizer_.step();
  const auto all = sum_figures(ranks, {value, correct, weight, stop ? 1. : 0.});
  const auto mean_loss = all[0] / static_cast<double>(ranks.size());
  pass.add(progress_->step, {.loss = mean_loss,
                             .correct = all[1],
                             .weight = all[2],
                             .jets = batch.num_jets() * ranks.size()});
  if (observes_step()) observe_step(pass, norm);
  ++progress_->step;
  if (options_.on_step) options_.on_step(mean_loss);
  // A single process may have been told to by on_step.
  return ranks.size() == 1 ? !stop : all[3] == 0;
}

/// \return false if stopped.
bool Trainer::validate(const std::atomic<bool>& stop) {
  if (const auto rank = first_different(*options_.ranks, checksum_of(*model_))) {
    throw std::runtime_error(fmt::format("rank {} has other weights than rank 0", rank));
  }
  if (writes()) write_state_dict(folder_.checkpoint(progress_->epoch), model_state(*model_));
  auto options = pass_options(data_.task.validation_name);
  options.stop = &stop;
  if (on_device_) options.resident = &on_device_->val;
  const auto scores = evaluate(model_, data_.val, data_.task, data_.rule, options, log_);
  if (!scores) return false;
  save_epoch(*scores);
  return true;
}

void Trainer::save_epoch(const Scores& validation) {
  auto& record = progress_->record;
  const auto& sums = progress_->sums;
  const bool best = record.epochs.empty() || validation.accuracy > record.best_val;
  record.epochs.push_back(progress_->epoch);
  record.lr.push_back(options_.learning_rate(progress_->epoch));
  record.train_time.push_back(sums.seconds);
  record.val_time.push_back(validation.seconds);
  record.train_loss.push_back(sums.mean_loss());
  record.val_loss.push_back(validation.loss);
  record.train_acc.push_back(sums.accuracy());
  record.val_acc.push_back(validation.accuracy);
  if (best) {
    log_.info("New best validation model, saving...");
    if (writes()) write_state_dict(folder_.best_model(), model_state(*model_));
    record.best_val = validation.accuracy;
    record.best_epoch = progress_->epoch;
  }
  report_epoch(validation);
  if (options_.observer != nullptr) observe_epoch(validation);
  if (writes()) write_json(folder_.train_result(), to_json(record));
}

void Trainer::report_epoch(const Scores& validation) const {
  const auto& record = progress_->record;
  log_.info(fmt::format("Epoch {}/{} finished.", progress_->epoch, options_.epochs));
  log_.info(fmt::format("Train time: {:.2f} \t Val time {:.2f}", record.train_time.back(),
                        validation.seconds));
  log_.info(fmt::format("Train loss {:.4f} \t Train acc: {:.4f}", record.train_loss.back(),
                        record.train_acc.back()));
  log_.info(
      fmt::format("Val loss: {:.4f} \t Val acc: {:.4f}", validation.loss, validation.accuracy));
  log_.info(fmt::format("Best val acc: {:.4f} at epoch {}.", record.best_val, record.best_epoch));
}

std::int64_t Trainer::steps_done() const {
  const auto a_step = options_.batch_size * options_.ranks->size();
  return progress_->epoch * (data_.train.num_jets() / a_step) + progress_->step;
}

/// Every log_interval steps, the first of an epoch among them.
bool Trainer::observes_step() const {
  return options_.observer != nullptr && progress_->step % options_.log_interval == 0;
}

void Trainer::observe_step(const Pass& pass, double gradient_norm) const {
  const auto sums = pass.sums();
  options_.observer->on_step(
      {.step = steps_done() + 1,
       .loss = pass.recent_loss(),
       .accuracy = pass.recent_accuracy(),
       .learning_rate = options_.learning_rate(progress_->epoch),
       .jets_per_second = static_cast<double>(sums.jets) / std::max(sums.seconds, 1e-9),
       .gradient_norm = gradient_norm});
}

void Trainer::observe_epoch(const Scores& validation) {
  const auto& record = progress_->record;
  const auto figures = summarize_test(validation);
  options_.observer->on_epoch({.step = steps_done(),
                               .epoch = progress_->epoch,
                               .train_loss = record.train_loss.back(),
                               .train_accuracy = record.train_acc.back(),
                               .val_loss = validation.loss,
                               .val_accuracy = validation.accuracy,
                               .learning_rate = record.lr.back(),
                               .auc = figures.auc,
                               .rejection_at_30 = figures.rejection_at_30,
                               .rejection_at_50 = figures.rejection_at_50,
                               .clamped_fraction = clamped_fraction(model_, data_)});
}

void Trainer::save_state() {
  write_training_state(folder_.training_state(), *model_, optimizer_, *progress_, *setup_,
                       *options_.ranks);
}

PassOptions Trainer::pass_options(const std::string& partition) const {
  return {.partition = partition,
          .epoch = progress_->epoch,
          .epochs = options_.epochs,
          .batch_size = options_.batch_size,
          .num_workers = options_.num_workers,
          .log_interval = options_.log_interval,
          .ranks = options_.ranks,
          .observer = options_.observer};
}

}  // namespace lorentznet
