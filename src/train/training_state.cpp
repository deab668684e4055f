#include "train/training_state.h"

#include <ATen/Context.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/isfinite.h>
#include <fmt/format.h>
#include <torch/utils.h>

#include <bit>
#include <cmath>
#include <map>

#include "lorentznet/checkpoint.h"
#include "lorentznet/error.h"
#include "model/model_state.h"
#include "parallel/collectives.h"
#include "train/checksum.h"

namespace lorentznet {
namespace {

/// Reads entries of a state file; anything missing or of another form is an InputError.
class StateReader {
 public:
  explicit StateReader(const std::filesystem::path& file) : file_(file) {
    for (auto& [name, array] : read_state_dict(file)) arrays_.emplace(name, std::move(array));
  }

  const Array& get(const std::string& name) const {
    const auto found = arrays_.find(name);
    if (found == arrays_.end()) fail("entry " + name + " is missing");
    return found->second;
  }
  bool has(const std::string& name) const { return arrays_.contains(name); }
  /// A list of numbers; `size` of them, if given.
  std::vector<double> doubles(const std::string& name, std::int64_t size = -1) const {
    const auto values = list(name, ElementType::kDouble, size).as<double>();
    return {values.begin(), values.end()};
  }
  std::vector<std::int64_t> integers(const std::string& name, std::int64_t size = -1) const {
    const auto values = list(name, ElementType::kInt64, size).as<std::int64_t>();
    return {values.begin(), values.end()};
  }
  /// The entries named `prefix`NAME, as NAME.
  StateDict below(const std::string& prefix) const {
    StateDict state;
    for (const auto& [name, array] : arrays_) {
      if (name.starts_with(prefix)) state.emplace_back(name.substr(prefix.size()), array);
    }
    return state;
  }
  [[noreturn]] void fail(const std::string& reason) const {
    throw InputError(file_.string() + ": " + reason);
  }

 private:
  const Array& list(const std::string& name, ElementType type, std::int64_t size) const {
    const auto& array = get(name);
    if (array.type() != type || array.shape().size() != 1 ||
        (size >= 0 && array.element_count() != size)) {
      fail("entry " + name + " is damaged");
    }
    return array;
  }

  std::filesystem::path file_;
  std::map<std::string, Array> arrays_;
};

// The record's lists, in one place for writing and reading.
template <typename Record>
auto double_lists(Record& record) {
  return std::to_array<std::pair<const char*, decltype(&record.lr)>>(
      {{"lr", &record.lr},
       {"train_time", &record.train_time},
       {"val_time", &record.val_time},
       {"train_loss", &record.train_loss},
       {"val_loss", &record.val_loss},
       {"train_acc", &record.train_acc},
       {"val_acc", &record.val_acc}});
}

template <typename T>
Array list_of(std::vector<T> values) {
  return {{static_cast<std::int64_t>(values.size())}, std::move(values)};
}
Array of_doubles(const std::vector<double>& values) { return list_of(values); }
Array of_integers(const std::vector<std::int64_t>& values) { return list_of(values); }

void append_progress(StateDict& state, const TrainingProgress& progress,
                     const TrainingSetup& setup) {
  const auto& [epoch, step, sums, record] = progress;
  state.emplace_back("progress.integers", of_integers({epoch, step, std::llround(sums.correct),
                                                       sums.jets, record.best_epoch}));
  state.emplace_back("progress.doubles", of_doubles({sums.loss, sums.seconds, record.best_val}));
  state.emplace_back("progress.weights", of_doubles({sums.correct, sums.weight}));
  state.emplace_back("record.epochs", of_integers(record.epochs));
  for (const auto& [name, list] : double_lists(record)) {
    state.emplace_back(std::string("record.") + name, of_doubles(*list));
  }
  state.emplace_back(
      "setup", of_integers({setup.batch_size, setup.train_jets, setup.val_jets, setup.checksum}));
}

void check_progress(const StateReader& state, const TrainingProgress& progress,
                    const TrainingSetup& setup) {
  const auto& [epoch, step, sums, record] = progress;
  // Before a change of the number of ranks, steps may have been of more jets or of fewer.
  bool sound = epoch >= 0 && step >= 0 && sums.jets <= setup.train_jets &&
               sums.jets % setup.batch_size == 0 && sums.jets / setup.batch_size >= step &&
               (sums.jets == 0) == (step == 0);
  // Weights are added up batch by batch, which rounds.
  sound = sound && sums.correct >= 0 && sums.correct <= sums.weight * (1 + 1e-9) &&
          std::isfinite(sums.weight) && std::isfinite(sums.loss) && std::isfinite(sums.seconds) &&
          std::isfinite(record.best_val);
  for (const auto& [name, list] : double_lists(record)) {
    sound = sound && list->size() == record.epochs.size();
    for (const double value : *list) sound = sound && std::isfinite(value);
  }
  if (!sound) state.fail("its progress is damaged");
}

TrainingProgress read_progress(const StateReader& state, const TrainingSetup& setup) {
  const auto integers = state.integers("progress.integers", 5);
  const auto doubles = state.doubles("progress.doubles", 3);
  TrainingProgress progress;
  progress.epoch = integers[0];
  progress.step = integers[1];
  progress.sums = {.loss = doubles[0],
                   .correct = static_cast<double>(integers[2]),
                   .jets = integers[3],
                   .seconds = doubles[1],
                   .weight = static_cast<double>(integers[3])};
  if (state.has("progress.weights")) {  // states from before there were weights have none
    const auto weights = state.doubles("progress.weights", 2);
    progress.sums.correct = weights[0];
    progress.sums.weight = weights[1];
  }
  auto& record = progress.record;
  record.best_val = doubles[2];
  record.best_epoch = integers[4];
  record.epochs = state.integers("record.epochs");
  for (const auto& [name, list] : double_lists(record)) {
    *list = state.doubles(std::string("record.") + name);
  }
  check_progress(state, progress, setup);
  return progress;
}

void append_optimizer(StateDict& state, LorentzNetImpl& model, torch::optim::AdamW& optimizer) {
  for (const auto& parameter : model.named_parameters()) {
    const auto found = optimizer.state().find(parameter.value().unsafeGetTensorImpl());
    if (found == optimizer.state().end()) continue;  // no step yet
    const auto& adam = static_cast<const torch::optim::AdamWParamState&>(*found->second);
    state.emplace_back("adam_step." + parameter.key(), of_integers({adam.step()}));
    state.emplace_back("exp_avg." + parameter.key(), array_of(adam.exp_avg()));
    state.emplace_back("exp_avg_sq." + parameter.key(), array_of(adam.exp_avg_sq()));
  }
}

/// One of AdamW's running means of a parameter's gradient or its square.
at::Tensor read_moment(const StateReader& state, const std::string& name, const at::Tensor& like) {
  const auto moment = tensor_of(state.get(name));
  if (moment.sizes() != like.sizes() || moment.scalar_type() != like.scalar_type() ||
      !at::isfinite(moment).all().item<bool>()) {
    state.fail("entry " + name + " is damaged");
  }
  return moment.to(like.device());
}

void restore_optimizer(const StateReader& state, LorentzNetImpl& model,
                       torch::optim::AdamW& optimizer) {
  const auto steps = state.below("adam_step.");
  const auto parameters = model.named_parameters();
  if (steps.empty()) return;  // stopped before the first step
  if (steps.size() != parameters.size()) state.fail("AdamW's state is not that of this network");
  for (const auto& parameter : parameters) {
    const auto& name = parameter.key();
    auto adam = std::make_unique<torch::optim::AdamWParamState>();
    adam->step(state.integers("adam_step." + name, 1).front());
    adam->exp_avg(read_moment(state, "exp_avg." + name, parameter.value()));
    adam->exp_avg_sq(read_moment(state, "exp_avg_sq." + name, parameter.value()));
    if (adam->step() < 1 || (adam->exp_avg_sq() < 0).any().item<bool>()) {
      state.fail("AdamW's state of " + name + " is damaged");
    }
    optimizer.state()[parameter.value().unsafeGetTensorImpl()] = std::move(adam);
  }
}

/// The generators that dropout draws from: the CPU's, and the GPU's where the network is on one.
std::vector<std::pair<std::string, at::Generator>> generators(LorentzNetImpl& model) {
  std::vector<std::pair<std::string, at::Generator>> found{
      {"rng.cpu", at::globalContext().defaultGenerator(at::kCPU)}};
  const auto device = model.parameters().front().device();
  if (!device.is_cpu())
    found.emplace_back("rng.device", at::globalContext().defaultGenerator(device));
  return found;
}

/// \return the number of ranks that the state is of
std::int64_t restore_generators(const StateReader& state, LorentzNetImpl& model,
                                const Communicator& ranks) {
  std::int64_t writers = 0;
  for (auto& [name, generator] : generators(model)) {
    auto rows = tensor_of(state.get(name));
    if (rows.dim() == 1) rows = rows.unsqueeze(0);
    try {
      TORCH_CHECK(rows.dim() == 2 && rows.size(0) > 0 && (writers == 0 || writers == rows.size(0)));
      writers = rows.size(0);
      if (ranks.rank() < writers) generator.set_state(rows[ranks.rank()].to(at::kByte));
    } catch (const c10::Error&) {
      state.fail("entry " + name + " is no state of a random generator");
    }
  }
  return writers;
}

}  // namespace

TrainingSetup::TrainingSetup(const JetSet& train, const JetSet& val, std::int64_t batch)
    : batch_size(batch), train_jets(train.num_jets()), val_jets(val.num_jets()) {
  Checksum sum;
  const auto add = [&](const auto& column) {
    sum.add(std::as_bytes(std::span(column.data(), column.size())));
  };
  for (const auto* set : {&train, &val}) {
    add(set->p4);
    add(set->species);
    add(set->offsets);
    add(set->label);
    add(set->scalars);
    add(set->weight);
  }
  checksum = sum.value();
}

void write_training_state(const std::filesystem::path& file, LorentzNetImpl& model,
                          torch::optim::AdamW& optimizer, const TrainingProgress& progress,
                          const TrainingSetup& setup, const Communicator& ranks) {
  StateDict state;
  for (const auto& [name, array] : model_state(model)) state.emplace_back("model." + name, array);
  append_optimizer(state, model, optimizer);
  for (const auto& [name, generator] : generators(model)) {
    // A single process's state stays [n], as it was before there were ranks.
    const auto row = generator.get_state().to(at::kLong);
    state.emplace_back(name, array_of(ranks.size() == 1 ? row : gather_rows(ranks, row)));
  }
  append_progress(state, progress, setup);
  if (ranks.rank() == 0) write_state_dict(file, state);
}

RestoredTraining read_training_state(const std::filesystem::path& file, LorentzNetImpl& model,
                                     torch::optim::AdamW& optimizer, const TrainingSetup& setup,
                                     const Communicator& ranks) {
  const StateReader state(file);
  const auto saved = state.integers("setup", 4);
  if (saved[0] != setup.batch_size || saved[1] != setup.train_jets || saved[2] != setup.val_jets) {
    state.fail(fmt::format(
        "is of a training of {} jets (validation {}) with batches of {}, not of {} "
        "({}) with {}",
        saved[1], saved[2], saved[0], setup.train_jets, setup.val_jets, setup.batch_size));
  }
  if (saved[3] != setup.checksum) state.fail("is of a training on other jets than these");
  auto progress = read_progress(state, setup);
  load_model_state(model, state.below("model."), file);
  restore_optimizer(state, model, optimizer);
  const auto writers = restore_generators(state, model, ranks);
  return {std::move(progress), writers};
}

}  // namespace lorentznet
