#include "lorentznet/trainer.h"

#include <ATen/ops/norm.h>
#include <ATen/ops/stack.h>
#include <fmt/format.h>
#include <torch/optim/adamw.h>
#include <torch/utils.h>

#include <algorithm>
#include <deque>
#include <filesystem>
#include <stdexcept>
#include <utility>

#include "data/masses.h"
#include "kernels/plain_kernel.h"
#include "kernels/transfer.h"
#include "lorentznet/checkpoint.h"
#include "lorentznet/error.h"
#include "parallel/collectives.h"
#include "report/result_files.h"
#include "tagger/description.h"
#include "tagger/jet_model.h"
#include "train/adamw.h"
#include "train/loader.h"
#include "train/pass.h"
#include "train/step_loss.h"
#include "train/training_jets.h"
#include "train/training_state.h"

namespace lorentznet {
namespace {

/// Root of the sum of the squares of all gradients: a scalar.
at::Tensor gradient_norm(LorentzNetImpl& model) {
  std::vector<at::Tensor> norms;
  for (const auto& parameter : model.parameters()) {
    if (parameter.grad().defined()) norms.push_back(at::norm(parameter.grad()));
  }
  return at::norm(at::stack(norms));
}

std::vector<TrainingFile> files_of(const JetSet& jets) {
  std::vector<TrainingFile> files;
  for (const auto& [file, count] : jets.files()) {
    files.push_back({std::filesystem::path(file).filename().string(), count});
  }
  return files;
}

/// What the checkpoints say of their network.
NetworkDescription describe(const LorentzNetImpl& model, const Trainer::Data& data) {
  const auto& options = model.options();
  const auto coordinates = kCoordinatesNames.at(static_cast<std::size_t>(options.coordinates));
  return {.task = data.task.name,
          .shape = {.scalars = options.n_scalar,
                    .hidden = options.n_hidden,
                    .classes = options.n_class,
                    .layers = options.n_layers},
          .rule = data.rule,
          .c_weight = options.c_weight,
          .beams = !data.task.beam_scalars.empty(),
          .coordinates = std::string(coordinates),
          .masses = mass_quartiles(data.train),
          .trained_on = files_of(data.train)};
}

/// Of the translations of the first validation jets. They are so few that it costs less than a
/// thousandth of the epoch, although the plain kernel takes a few times as long as a training step.
double clamped_fraction(LorentzNet& model, const Trainer::Data& data) {
  constexpr std::int64_t kTrainJetsPerJet = 3000, kMost = 32;
  const auto jets = std::clamp<std::int64_t>(data.train.num_jets() / kTrainJetsPerJet, 1,
                                             std::min(kMost, data.val.num_jets()));
  const auto batch = make_batch(data.val, file_order(jets), data.task, data.rule, false);
  const auto count = std::make_shared<TranslationCount>();
  const torch::NoGradGuard no_grad;
  model->eval();
  const auto device = model->parameters().front().device();
  model->forward(batch.to(device), plain_kernels(single_process(), {.count = count}));
  return count->fraction();
}

void check_options(const TrainerOptions& options) {
  const std::pair<const char*, std::int64_t> numbers[]{{"batch_size", options.batch_size},
                                                       {"val_interval", options.val_interval},
                                                       {"log_interval", options.log_interval}};
  for (const auto& [name, number] : numbers) {
    if (number < 1) throw InputError(fmt::format("{} is {}, not above 0", name, number));
  }
}

}  // namespace

/// What a Trainer does and holds.
class Trainer::Course {
 public:
  Course(LorentzNet model, const Data& data, TrainerOptions options, RunFolder folder, Log log)
      : model_(std::move(model)),
        data_(data),
        options_(std::move(options)),
        folder_(std::move(folder)),
        log_(std::move(log)),
        optimizer_(model_->parameters(), torch::optim::AdamWOptions(options_.learning_rate(0))
                                             .weight_decay(options_.weight_decay)),
        setup_(data.train, data.val, options_.batch_size),
        description_(describe(*model_, data_)) {
    check_options(options_);
    check_split(data_.train, "training", jets_of_step(), model_->options().n_class);
    check_split(data_.val, "validation", 1, model_->options().n_class);
    if (const auto rank = first_different(ranks(), setup_.checksum)) {
      throw InputError(fmt::format("rank {} has other jets than rank 0", rank));
    }
    model_->share_statistics(options_.ranks);
  }

  bool resume();
  Outcome run(const std::atomic<bool>& stop);
  const TrainingRecord& record() const { return progress_.record; }
  std::int64_t steps_done() const {
    return progress_.epoch * (data_.train.num_jets() / jets_of_step()) + progress_.step;
  }

 private:
  /// A step that the device was given to do, of which the host does not know the figures yet.
  struct BegunStep {
    std::vector<std::int64_t> jets;
    ReadBack figures;
    at::Tensor gradient_norm;  ///< undefined: nobody asks for it
  };

  bool train_epoch(const std::atomic<bool>& stop);
  bool train_step(const Batch& batch, Pass& pass, const std::atomic<bool>& stop);
  bool finish_steps(std::size_t leave, Pass& pass, const std::atomic<bool>& stop);
  bool validate(const std::atomic<bool>& stop);
  void save_epoch(const Scores& validation);
  void report_epoch(const Scores& validation) const;
  void observe_step(const Pass& pass, double gradient_norm) const;
  void observe_epoch(const Scores& validation);
  void save_network(const std::filesystem::path& file) {
    const auto state = model_state(*model_);
    auto described = description_;
    described.tests = make_tests(described, state);
    write_state_dict(file, state, to_text(described));
  }
  void save_state() {
    write_training_state(folder_.training_state(), *model_, optimizer_, progress_, setup_, ranks());
  }

  const Communicator& ranks() const { return *options_.ranks; }
  bool writes() const { return ranks().rank() == 0; }
  at::Device device() const { return model_->parameters().front().device(); }
  std::int64_t jets_of_step() const { return options_.batch_size * ranks().size(); }
  /// Every log_interval steps of an epoch, beginning with the first.
  bool observes(std::int64_t step) const {
    return options_.observer != nullptr && step % options_.log_interval == 0;
  }
  PassOptions pass_options(const std::string& partition) const {
    return {.partition = partition,
            .epoch = progress_.epoch,
            .epochs = options_.epochs,
            .batch_size = options_.batch_size,
            .num_workers = options_.num_workers,
            .log_interval = options_.log_interval,
            .ranks = options_.ranks,
            .observer = options_.observer};
  }

  LorentzNet model_;
  Data data_;
  TrainerOptions options_;
  RunFolder folder_;
  Log log_;
  torch::optim::AdamW optimizer_;
  TrainingSetup setup_;
  NetworkDescription description_;  ///< of the network, for its checkpoints
  TrainingProgress progress_ = {};
  bool begun_ = false;                             ///< all ranks have the same weights
  std::unique_ptr<const JetsOnDevice> on_device_;  ///< null: batches come from the CPU
  std::deque<BegunStep> begun_steps_;              ///< not counted in progress_ yet
};

bool Trainer::Course::resume() {
  const auto file = folder_.training_state();
  if (!std::filesystem::exists(file)) return false;
  auto [progress, writers, on_gpu] =
      read_training_state(file, *model_, optimizer_, setup_, ranks());
  progress_ = std::move(progress);
  begun_ = true;
  if (writers != ranks().size()) {
    log_.info(
        fmt::format("The number of ranks changes from {} to {}: a step is of {} jets, not of "
                    "{}, and dropout draws other numbers",
                    writers, ranks().size(), jets_of_step(), writers * options_.batch_size));
  }
  if (on_gpu == device().is_cpu()) {
    log_.info(
        fmt::format("The training moves from {} to {}: its figures are those of one device within "
                    "rounding, not bit for bit, and dropout draws other numbers",
                    on_gpu ? "a GPU" : "the CPU", on_gpu ? "the CPU" : "a GPU"));
  }
  return true;
}

Trainer::Outcome Trainer::Course::run(const std::atomic<bool>& stop) {
  if (!begun_) {
    broadcast_module(ranks(), *model_);
    save_state();  // so that checkpoints without a state are not of a training that can go on
  }
  begun_ = true;
  if (!on_device_) on_device_ = keep_on_device(data_, device(), options_.jets_on_device, log_);
  while (progress_.epoch < options_.epochs) {
    const bool validates = progress_.epoch % options_.val_interval == 0;
    if (!train_epoch(stop) || (validates && !validate(stop))) {
      save_state();
      return Outcome::kStopped;
    }
    ++progress_.epoch;
    progress_.step = 0;
    progress_.sums = {};
    if (validates || progress_.epoch == options_.epochs) save_state();
  }
  // The stop may have come after the last step.
  return any_rank(ranks(), stop) ? Outcome::kStopped : Outcome::kFinished;
}

/// \return false if stopped; progress_ then tells where.
bool Trainer::Course::train_epoch(const std::atomic<bool>& stop) {
  const auto epoch = progress_.epoch;
  const auto rate = options_.learning_rate(epoch);
  optimizer_.param_groups().front().options().set_lr(rate);
  model_->train();
  const auto jets = data_.train.num_jets();
  auto order = options_.shuffle
                   ? shuffled_order(jets, options_.seed + static_cast<std::uint64_t>(epoch))
                   : file_order(jets);
  BatchLoader loader(data_.train, data_.task, data_.rule, std::move(order),
                     {.batch_size = options_.batch_size,
                      .for_training = true,
                      .first_jet = progress_.sums.jets,
                      .num_workers = options_.num_workers,
                      .rank = ranks().rank(),
                      .ranks = ranks().size(),
                      .device = device(),
                      .resident = on_device_ ? &on_device_->train : nullptr});
  begun_steps_.clear();
  const auto options = pass_options("train");
  Pass pass(options, progress_.step + loader.num_batches(), log_, progress_.sums, rate);
  while (auto batch = loader.next()) {
    const bool continues = train_step(*batch, pass, stop);
    progress_.sums = pass.sums();
    if (!continues) return false;
  }
  const bool continues = finish_steps(0, pass, stop);
  progress_.sums = pass.sums();
  if (!continues) return false;
  log_.info(fmt::format("Time: train: {:.2f} \t Train loss {:.4f} \t Train acc: {:.4f}",
                        progress_.sums.seconds, pass.mean_loss(), pass.accuracy()));
  return true;
}

/// \return false if a rank is to stop.
bool Trainer::Course::train_step(const Batch& batch, Pass& pass, const std::atomic<bool>& stop) {
  optimizer_.zero_grad();
  const auto loss = score_step(model_->forward(batch), batch);
  const auto number = progress_.step + static_cast<std::int64_t>(begun_steps_.size());
  begun_steps_.push_back(
      {.jets = batch.jets, .figures = ReadBack(loss.result.figures), .gradient_norm = {}});
  auto& step = begun_steps_.back();
  // No rank passes the sum of the gradients without the others, so none steps after such a loss.
  if (device().is_cpu()) check_finite(step.figures.get()[0], data_.train, step.jets);
  loss.backward();
  if (device().is_cpu()) {
    average_gradients(ranks(), *model_);
    take_step(optimizer_, {});
  } else {  // the device itself finds out, on all ranks alike, and the host a step later
    take_step(optimizer_, loss.average(ranks(), *model_));
  }
  if (observes(number)) step.gradient_norm = gradient_norm(*model_);
  return finish_steps(device().is_cpu() ? 0 : 1, pass, stop);
}

/// Counts the steps that were begun, in order, but leaves the last ones, unless a rank is to stop:
/// meanwhile the device has these to do.
/// \return false if a rank is to stop.
bool Trainer::Course::finish_steps(std::size_t leave, Pass& pass, const std::atomic<bool>& stop) {
  bool continues = true;
  while (begun_steps_.size() > (continues ? leave : 0)) {
    const auto step = std::move(begun_steps_.front());
    begun_steps_.pop_front();
    const auto jets = static_cast<std::int64_t>(step.jets.size());
    const auto own = figures_of(step.figures.get(), jets);
    check_finite(own.loss, data_.train, step.jets);
    const auto all = sum_figures(ranks(), {own.loss, own.correct, own.weight, stop ? 1. : 0.});
    const auto mean_loss = all[0] / static_cast<double>(ranks().size());
    pass.add(
        progress_.step,
        {.loss = mean_loss, .correct = all[1], .weight = all[2], .jets = jets * ranks().size()});
    if (step.gradient_norm.defined()) observe_step(pass, step.gradient_norm.item<double>());
    ++progress_.step;
    if (options_.on_step) options_.on_step(mean_loss);
    // In a single process on_step may have set it.
    continues = continues && (ranks().size() == 1 ? !stop : all[3] == 0);
  }
  return continues;
}

/// \return false if stopped.
bool Trainer::Course::validate(const std::atomic<bool>& stop) {
  if (const auto rank = first_different(ranks(), checksum_of(*model_))) {
    throw std::runtime_error(fmt::format("rank {} has other weights than rank 0", rank));
  }
  if (writes()) save_network(folder_.checkpoint(progress_.epoch));
  auto options = pass_options(data_.task.validation_name);
  options.stop = &stop;
  const auto scores = evaluate(model_, data_.val, data_.task, data_.rule, options, log_,
                               on_device_ ? &on_device_->val : nullptr);
  if (!scores) return false;
  save_epoch(*scores);
  return true;
}

void Trainer::Course::save_epoch(const Scores& validation) {
  auto& record = progress_.record;
  const auto& sums = progress_.sums;
  const bool best = record.epochs.empty() || validation.accuracy > record.best_val;
  record.epochs.push_back(progress_.epoch);
  record.lr.push_back(options_.learning_rate(progress_.epoch));
  record.train_time.push_back(sums.seconds);
  record.val_time.push_back(validation.seconds);
  record.train_loss.push_back(sums.mean_loss());
  record.val_loss.push_back(validation.loss);
  record.train_acc.push_back(sums.accuracy());
  record.val_acc.push_back(validation.accuracy);
  if (best) {
    log_.info("New best validation model, saving...");
    if (writes()) save_network(folder_.best_model());
    record.best_val = validation.accuracy;
    record.best_epoch = progress_.epoch;
  }
  report_epoch(validation);
  if (options_.observer != nullptr) observe_epoch(validation);
  if (writes()) write_json(folder_.train_result(), to_json(record));
}

/// For people, epochs count from 1; in files from 0, as in the published program's.
void Trainer::Course::report_epoch(const Scores& validation) const {
  const auto& record = progress_.record;
  log_.info(fmt::format("Epoch {}/{} finished.", progress_.epoch + 1, options_.epochs));
  log_.info(fmt::format("Train time: {:.2f} \t Val time {:.2f}", record.train_time.back(),
                        validation.seconds));
  log_.info(fmt::format("Train loss {:.4f} \t Train acc: {:.4f}", record.train_loss.back(),
                        record.train_acc.back()));
  log_.info(
      fmt::format("Val loss: {:.4f} \t Val acc: {:.4f}", validation.loss, validation.accuracy));
  log_.info(
      fmt::format("Best val acc: {:.4f} at epoch {}.", record.best_val, record.best_epoch + 1));
}

void Trainer::Course::observe_step(const Pass& pass, double gradient_norm) const {
  const auto sums = pass.sums();
  options_.observer->on_step(
      {.step = steps_done() + 1,
       .loss = pass.recent_loss(),
       .accuracy = pass.recent_accuracy(),
       .learning_rate = options_.learning_rate(progress_.epoch),
       .jets_per_second = static_cast<double>(sums.jets) / std::max(sums.seconds, 1e-9),
       .gradient_norm = gradient_norm});
}

void Trainer::Course::observe_epoch(const Scores& validation) {
  const auto& record = progress_.record;
  const auto figures = summarize_test(validation);
  options_.observer->on_epoch({.step = steps_done(),
                               .epoch = progress_.epoch,
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

Trainer::Trainer(LorentzNet model, const Data& data, TrainerOptions options, RunFolder folder,
                 Log log)
    : course_(std::make_unique<Course>(std::move(model), data, std::move(options),
                                       std::move(folder), std::move(log))) {}
Trainer::~Trainer() = default;

bool Trainer::resume() { return course_->resume(); }
Trainer::Outcome Trainer::run(const std::atomic<bool>& stop) { return course_->run(stop); }
const TrainingRecord& Trainer::record() const { return course_->record(); }
std::int64_t Trainer::steps_done() const { return course_->steps_done(); }

}  // namespace lorentznet
