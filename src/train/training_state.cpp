#include "train/training_state.h"

#include <ATen/Context.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/isfinite.h>
#include <fmt/format.h>
#include <torch/optim/adamw.h>

#include <array>
#include <bit>
#include <cmath>
#include <map>
#include <memory>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

#include "io/hash.h"
#include "io/message.h"
#include "lorentznet/checkpoint.h"
#include "model/model_state.h"
#include "parallel/collectives.h"

namespace lorentznet {
namespace {

/// A number that depends on every bit and on the order of what is added: XXH3 of the parts' XXH3.
class Checksum {
 public:
  void add(std::span<const std::byte> bytes) { parts_.push_back(fast_hash(bytes)); }
  std::int64_t value() const {
    return std::bit_cast<std::int64_t>(fast_hash(std::as_bytes(std::span(parts_))));
  }

 private:
  std::vector<std::uint64_t> parts_;
};

/// Reads entries of a state file; anything missing or of another form is an InputError.
class StateReader {
 public:
  explicit StateReader(const std::filesystem::path& file) : file_(file) {
    for (auto& [name, array] : read_state_dict(file)) arrays_.emplace(name, std::move(array));
  }

  bool has(const std::string& name) const { return arrays_.contains(name); }
  const Array& get(const std::string& name) const {
    const auto found = arrays_.find(name);
    if (found == arrays_.end()) fail("entry " + name + " is missing");
    return found->second;
  }
  /// A list of numbers of type T; `size` of them, if given.
  template <typename T>
  std::vector<T> list(const std::string& name, std::int64_t size = -1) const {
    const auto& array = get(name);
    constexpr auto kType = std::is_same_v<T, double> ? ElementType::kDouble : ElementType::kInt64;
    if (array.type() != kType || array.shape().size() != 1 ||
        (size >= 0 && array.element_count() != size)) {
      fail_damaged(name);
    }
    const auto values = array.as<T>();
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
    throw_file_error(file_.string(), reason);
  }
  [[noreturn]] void fail_damaged(const std::string& name) const {
    fail("entry " + name + " is damaged");
  }

 private:
  std::filesystem::path file_;
  std::map<std::string, Array> arrays_;
};

template <typename T>
Array list_of(std::vector<T> values) {
  const auto size = static_cast<std::int64_t>(values.size());
  return {{size}, std::move(values)};
}

// The record's lists, in one place for writing and reading.
template <typename Record>
auto double_lists(Record& record) {
  return std::to_array<std::pair<const char*, decltype(&record.lr)>>(
      {{"record.lr", &record.lr},
       {"record.train_time", &record.train_time},
       {"record.val_time", &record.val_time},
       {"record.train_loss", &record.train_loss},
       {"record.val_loss", &record.val_loss},
       {"record.train_acc", &record.train_acc},
       {"record.val_acc", &record.val_acc}});
}

void append_progress(StateDict& state, const TrainingProgress& progress) {
  const auto& [epoch, step, sums, record] = progress;
  state.emplace_back("progress.integers",
                     list_of(std::vector{epoch, step, sums.jets, record.best_epoch}));
  state.emplace_back("progress.doubles", list_of(std::vector{sums.loss, sums.seconds, sums.correct,
                                                             sums.weight, record.best_val}));
  state.emplace_back("record.epochs", list_of(record.epochs));
  for (const auto& [name, list] : double_lists(record)) state.emplace_back(name, list_of(*list));
}

void check_progress(const StateReader& state, const TrainingProgress& progress,
                    const TrainingSetup& setup) {
  const auto& [epoch, step, sums, record] = progress;
  // If the number of ranks has changed, earlier steps had more jets than batch_size, or fewer.
  bool sound = epoch >= 0 && step >= 0 && sums.jets <= setup.train_jets &&
               sums.jets % setup.batch_size == 0 && sums.jets / setup.batch_size >= step &&
               (sums.jets == 0) == (step == 0);
  // The weights are summed batch by batch, with rounding.
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
  const auto integers = state.list<std::int64_t>("progress.integers", 4);
  const auto doubles = state.list<double>("progress.doubles", 5);
  TrainingProgress progress{.epoch = integers[0],
                            .step = integers[1],
                            .sums = {.loss = doubles[0],
                                     .correct = doubles[2],
                                     .jets = integers[2],
                                     .seconds = doubles[1],
                                     .weight = doubles[3]},
                            .record = {}};
  auto& record = progress.record;
  record.best_epoch = integers[3];
  record.best_val = doubles[4];
  record.epochs = state.list<std::int64_t>("record.epochs");
  for (const auto& [name, list] : double_lists(record)) *list = state.list<double>(name);
  check_progress(state, progress, setup);
  return progress;
}

void append_setup(StateDict& state, const TrainingSetup& setup) {
  state.emplace_back("setup",
                     list_of(std::vector{setup.batch_size, setup.train_jets, setup.val_jets,
                                         setup.checksum, setup.column_checksum}));
}

void check_setup(const StateReader& state, const TrainingSetup& setup) {
  // Older states have no checksum of the columns.
  constexpr std::size_t kWithoutColumns = 4, kWithColumns = 5;
  const auto saved = state.list<std::int64_t>("setup");
  if (saved.size() != kWithoutColumns && saved.size() != kWithColumns) state.fail_damaged("setup");
  if (saved[0] != setup.batch_size || saved[1] != setup.train_jets || saved[2] != setup.val_jets) {
    state.fail(fmt::format(
        "is of a training of {} jets (validation {}) with batches of {}, not of {} ({}) with {}",
        saved[1], saved[2], saved[0], setup.train_jets, setup.val_jets, setup.batch_size));
  }
  if (saved[3] != setup.checksum) state.fail("is of a training on other jets than these");
  if (saved.size() == kWithColumns && saved[4] != setup.column_checksum) {
    state.fail("is of a training on these jets in other columns of their files");
  }
}

void append_optimizer(StateDict& state, LorentzNetImpl& model, torch::optim::AdamW& optimizer) {
  for (const auto& parameter : model.named_parameters()) {
    const auto found = optimizer.state().find(parameter.value().unsafeGetTensorImpl());
    if (found == optimizer.state().end()) continue;  // no step yet
    const auto& adam = static_cast<const torch::optim::AdamWParamState&>(*found->second);
    state.emplace_back("adam_step." + parameter.key(), list_of(std::vector{adam.step()}));
    state.emplace_back("exp_avg." + parameter.key(), array_of(adam.exp_avg()));
    state.emplace_back("exp_avg_sq." + parameter.key(), array_of(adam.exp_avg_sq()));
  }
}

/// One of AdamW's running means of a parameter's gradient or its square.
at::Tensor read_moment(const StateReader& state, const std::string& name, const at::Tensor& like) {
  const auto moment = tensor_of(state.get(name));
  if (moment.sizes() != like.sizes() || moment.scalar_type() != like.scalar_type() ||
      !at::isfinite(moment).all().item<bool>()) {
    state.fail_damaged(name);
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
    adam->step(state.list<std::int64_t>("adam_step." + name, 1).front());
    adam->exp_avg(read_moment(state, "exp_avg." + name, parameter.value()));
    adam->exp_avg_sq(read_moment(state, "exp_avg_sq." + name, parameter.value()));
    if (adam->step() < 1 || (adam->exp_avg_sq() < 0).any().item<bool>()) {
      state.fail("AdamW's state of " + name + " is damaged");
    }
    optimizer.state()[parameter.value().unsafeGetTensorImpl()] = std::move(adam);
  }
}

constexpr const char* kGpuGenerator = "rng.device";

/// The generators that dropout draws from: the CPU's, and the GPU's if the network is on one.
std::vector<std::pair<std::string, at::Generator>> generators(LorentzNetImpl& model) {
  std::vector<std::pair<std::string, at::Generator>> found{
      {"rng.cpu", at::globalContext().defaultGenerator(at::kCPU)}};
  const auto device = model.parameters().front().device();
  if (!device.is_cpu()) {
    found.emplace_back(kGpuGenerator, at::globalContext().defaultGenerator(device));
  }
  return found;
}

/// A generator of a GPU that a training on the CPU did not have stays as it is.
/// \return the number of ranks of the training that wrote the state
std::int64_t restore_generators(const StateReader& state, LorentzNetImpl& model,
                                const Communicator& ranks) {
  std::int64_t writers = 0;
  for (auto& [name, generator] : generators(model)) {
    if (name == kGpuGenerator && !state.has(name)) continue;
    const auto rows = tensor_of(state.get(name));  // [writers, bytes of a state]
    try {
      TORCH_CHECK(rows.dim() == 2 && rows.size(0) > 0 && (writers == 0 || writers == rows.size(0)));
      writers = rows.size(0);
      if (ranks.rank() < writers) generator.set_state(rows[ranks.rank()].to(at::kByte));
    } catch (const c10::Error&) {
      state.fail("entry " + name + " is not the state of a random generator");
    }
  }
  return writers;
}

}  // namespace

TrainingSetup::TrainingSetup(const JetSet& train, const JetSet& val, std::int64_t batch)
    : batch_size(batch), train_jets(train.num_jets()), val_jets(val.num_jets()) {
  Checksum sum, sum_of_columns;
  const auto add = [&](const auto& values) {
    sum.add(std::as_bytes(std::span(values.data(), values.size())));
  };
  for (const auto* set : {&train, &val}) {
    add(set->p4);
    add(set->species);
    add(set->offsets);
    add(set->label);
    add(set->scalars);
    add(set->weight);
    sum_of_columns.add(std::as_bytes(std::span(set->column.data(), set->column.size())));
  }
  checksum = sum.value();
  column_checksum = sum_of_columns.value();
}

std::int64_t checksum_of(const LorentzNetImpl& model) {
  Checksum sum;
  for (const auto& parameter : model.parameters()) {
    const auto values = parameter.detach().to(at::kCPU).contiguous();
    sum.add({static_cast<const std::byte*>(values.const_data_ptr()), values.nbytes()});
  }
  return sum.value();
}

void write_training_state(const std::filesystem::path& file, LorentzNetImpl& model,
                          torch::optim::AdamW& optimizer, const TrainingProgress& progress,
                          const TrainingSetup& setup, const Communicator& ranks) {
  StateDict state;
  for (const auto& [name, array] : model_state(model)) state.emplace_back("model." + name, array);
  append_optimizer(state, model, optimizer);
  for (const auto& [name, generator] : generators(model)) {
    const auto bytes = generator.get_state().to(at::kLong);
    state.emplace_back(name, array_of(gather_rows(ranks, bytes)));
  }
  append_progress(state, progress);
  append_setup(state, setup);
  if (ranks.rank() == 0) write_state_dict(file, state);
}

RestoredTraining read_training_state(const std::filesystem::path& file, LorentzNetImpl& model,
                                     torch::optim::AdamW& optimizer, const TrainingSetup& setup,
                                     const Communicator& ranks) {
  const StateReader state(file);
  check_setup(state, setup);
  auto progress = read_progress(state, setup);
  load_model_state(model, state.below("model."), file);
  restore_optimizer(state, model, optimizer);
  const auto writers = restore_generators(state, model, ranks);
  return {std::move(progress), writers, state.has(kGpuGenerator)};
}

}  // namespace lorentznet
