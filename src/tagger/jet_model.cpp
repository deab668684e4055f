#include "tagger/jet_model.h"

#include <algorithm>
#include <cfenv>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <random>
#include <utility>

#include "data/constituents.h"
#include "data/particles.h"
#include "data/probabilities.h"
#include "io/message.h"
#include "lorentznet/error.h"

namespace lorentznet {
namespace {

/// The description, if it is one of this state that the engine computes.
NetworkDescription checked(NetworkDescription description, const StateDict& state,
                           const std::string& file) {
  const auto found = network_shape(state, file);
  const auto& said = description.shape;
  const auto check = [&](const char* name, std::int64_t of_weights, std::int64_t of_text) {
    if (of_weights == of_text) return;
    throw_file_error(file, std::string(name) + " is " + std::to_string(of_text) +
                               " in its description, " + std::to_string(of_weights) +
                               " in its weights");
  };
  check("n_scalar", found.scalars, said.scalars);
  check("n_hidden", found.hidden, said.hidden);
  check("n_class", found.classes, said.classes);
  check("n_layers", found.layers, said.layers);
  const std::int64_t least = description.task == "qg" ? kNumSpecies : description.beams ? 2 : 1;
  if (said.scalars < least || (description.task == "qg" && said.scalars > least)) {
    throw_file_error(file, "n_scalar is " + std::to_string(said.scalars) +
                               ", too few or too many for the task " + description.task);
  }
  if (description.coordinates != "double") {
    throw_file_error(file, "the network computes coordinates in " + description.coordinates +
                               ", the tagger in double only");
  }
  return description;
}

/// The default floating-point environment while it lives: a caller may have another rounding, or
/// small numbers that are flushed to zero.
class DefaultFloats {
 public:
  DefaultFloats() noexcept {
    std::fegetenv(&before_);
    std::fesetenv(FE_DFL_ENV);
  }
  DefaultFloats(const DefaultFloats&) = delete;
  DefaultFloats& operator=(const DefaultFloats&) = delete;
  ~DefaultFloats() { std::fesetenv(&before_); }

 private:
  std::fenv_t before_{};
};

JetStatus status_of(MomentumFault fault) {
  switch (fault) {
    case MomentumFault::kNone:
      return JetStatus::kScored;
    case MomentumFault::kNotFinite:
      return JetStatus::kNotFinite;
    case MomentumFault::kTooFast:
      return JetStatus::kMomentum;
    default:
      return JetStatus::kEnergy;
  }
}

/// |id| of a particle, without overflow.
int abs_id(std::int32_t id) {
  return id == std::numeric_limits<std::int32_t>::min() ? std::numeric_limits<std::int32_t>::max()
                                                        : std::abs(id);
}

/// A number from 0 to 1, the same everywhere.
double uniform(std::mt19937_64& random) { return static_cast<double>(random() >> 11U) * 0x1p-53; }

/// A jet of `count` constituents of about 1 to 100 GeV around the x axis.
TestVector made_up_jet(const NetworkDescription& description, std::size_t count,
                       std::mt19937_64& random) {
  constexpr std::array<std::int32_t, 9> kIds{211, -211, 22, 130, 321, -13, 11, 2112, 3122};
  TestVector jet;
  const auto own = static_cast<std::size_t>(own_scalars(description));
  for (std::size_t k = 0; k < count; ++k) {
    const double size = uniform(random), px = 1 + 99 * size * size * size;
    const double py = px * (uniform(random) - 0.5), pz = px * (uniform(random) - 0.5);
    const double mass = 0.2 * uniform(random);
    jet.p4.insert(jet.p4.end(), {std::sqrt(px * px + py * py + pz * pz + mass * mass), px, py, pz});
    if (own_input(description) == ConstituentInput::kPdgIds)
      jet.pdg_id.push_back(kIds[random() % 9]);
    for (std::size_t s = 0; s < own; ++s) jet.scalars.push_back(2 * uniform(random) - 1);
  }
  return jet;
}

JetView view_of(const TestVector& test) { return {test.p4, test.pdg_id, test.scalars}; }

}  // namespace

JetModel::JetModel(NetworkDescription description, const StateDict& state, Isa isa,
                   const std::string& file)
    : description_(checked(std::move(description), state, file)),
      input_(own_input(description_)),
      own_scalars_(static_cast<std::size_t>(own_scalars(description_))),
      num_beams_(description_.beams ? kNumBeams : 0),
      network_(state, description_.c_weight, isa, file) {}

JetStatus JetModel::check(const JetView& jet) const {
  const auto n = jet.p4.size() / 4;
  if (jet.p4.size() % 4 != 0 ||
      jet.pdg_id.size() != (input_ == ConstituentInput::kPdgIds ? n : 0) ||
      jet.scalars.size() != n * own_scalars_) {
    return JetStatus::kArrays;
  }
  if (n == 0) return JetStatus::kEmpty;
  if (n > static_cast<std::size_t>(kMostConstituents)) return JetStatus::kTooMany;
  for (std::size_t k = 0; k < n; ++k) {
    const auto fault = fault_of(&jet.p4[4 * k]);
    if (fault != MomentumFault::kNone) return status_of(fault);
  }
  const auto known = [](std::int32_t id) { return id != 0 && particle_mass(abs_id(id)); };
  if (!std::all_of(jet.pdg_id.begin(), jet.pdg_id.end(), known)) return JetStatus::kUnknownParticle;
  const auto finite = [](double scalar) { return std::isfinite(scalar); };
  if (!std::all_of(jet.scalars.begin(), jet.scalars.end(), finite)) return JetStatus::kNotFinite;
  return JetStatus::kScored;
}

void JetModel::write_nodes(const JetView& jet, JetMemory& memory) const {
  const auto n = jet.p4.size() / 4, width = static_cast<std::size_t>(description_.shape.scalars);
  const auto nodes = n + num_beams_;
  memory.p4.resize(4 * nodes);
  memory.scalars.resize(width * nodes);
  memory.node_scalars.resize(width);
  const std::span scalars(memory.node_scalars);
  auto p4 = memory.p4.begin();
  auto to = memory.scalars.begin();
  const auto round = [&] {
    to = std::transform(scalars.begin(), scalars.end(), to,
                        [](double value) { return static_cast<float>(value); });
  };
  for (std::size_t beam = 0; beam < num_beams_; ++beam) {
    p4 = std::copy(kBeams[beam].begin(), kBeams[beam].end(), p4);
    encode_top_beam(scalars);
    round();
  }
  std::copy(jet.p4.begin(), jet.p4.end(), p4);
  for (std::size_t k = 0; k < n; ++k) {
    if (input_ == ConstituentInput::kPdgIds) {
      encode_species(species_index(abs_id(jet.pdg_id[k])), scalars);
    } else {
      const auto own = jet.scalars.subspan(k * own_scalars_, own_scalars_);
      encode_top_constituent(&jet.p4[4 * k], own, scalars);
    }
    round();
  }
}

JetStatus JetModel::compute(const JetView& jet, float* probabilities, JetMemory& memory) const {
  const auto status = check(jet);
  if (status != JetStatus::kScored) return status;
  write_nodes(jet, memory);
  memory.logits.resize(static_cast<std::size_t>(classes()));
  const int nodes = static_cast<int>(memory.p4.size() / 4);
  const bool constant = description_.rule.pooling == Pooling::kConstant;
  const fused::ScratchScope scope(memory.scratch);
  network_.logits({.n = nodes,
                   .x = memory.p4.data(),
                   .scalars = memory.scalars.data(),
                   .n_nodes = static_cast<float>(constant ? description_.rule.n_nodes : nodes)},
                  memory.logits.data());
  probabilities_of(memory.logits.data(), classes(), probabilities);
  return JetStatus::kScored;
}

JetStatus JetModel::score(const JetView& jet, std::span<float> probabilities,
                          JetMemory& memory) const noexcept {
  const DefaultFloats floats;
  auto status = JetStatus::kArrays;
  if (probabilities.size() == static_cast<std::size_t>(classes())) {
    try {
      status = compute(jet, probabilities.data(), memory);
    } catch (const std::exception&) {  // check() has found all else
      status = JetStatus::kMemory;
    }
  }
  if (status != JetStatus::kScored) {
    std::fill(probabilities.begin(), probabilities.end(), std::numeric_limits<float>::quiet_NaN());
  }
  return status;
}

std::vector<TestVector> make_tests(const NetworkDescription& description, const StateDict& state) {
  if (description.coordinates != "double" || description.shape.hidden > fused::kWidestNetwork) {
    return {};
  }
  const JetModel model(description, state, Isa::kPortable, "the network");
  JetMemory memory;
  std::mt19937_64 random(2201'08187);  // the paper's number
  std::vector<TestVector> tests;
  for (const std::size_t count : {1, 10, 30, 50}) {
    auto test = made_up_jet(description, count, random);
    test.probabilities.resize(static_cast<std::size_t>(model.classes()));
    model.score(view_of(test), test.probabilities, memory);
    if (!std::all_of(test.probabilities.begin(), test.probabilities.end(),
                     [](float p) { return std::isfinite(p); })) {
      return {};
    }
    tests.push_back(std::move(test));
  }
  return tests;
}

void check_tests(const JetModel& model, const std::string& file) {
  JetMemory memory;
  std::vector<float> found(static_cast<std::size_t>(model.classes()));
  const auto& tests = model.description().tests;
  for (std::size_t k = 0; k < tests.size(); ++k) {
    const auto what = "test jet " + std::to_string(k);
    const auto& expected = tests[k].probabilities;
    const auto status = model.score(view_of(tests[k]), found, memory);
    if (status != JetStatus::kScored) {
      throw_file_error(file, what + ": " + std::string(reason(status)));
    }
    if (expected.size() != found.size() ||
        std::memcmp(expected.data(), found.data(), found.size() * sizeof(float)) != 0) {
      throw_file_error(file, what + " has the probability " + format_number(found.back()) +
                                 ", not the one that its description says, " +
                                 (expected.empty() ? "none" : format_number(expected.back())));
    }
  }
}

}  // namespace lorentznet
