#include "lorentznet/tagger.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "data/particles.h"
#include "data/published_networks.h"
#include "io/file.h"
#include "io/json.h"
#include "io/message.h"
#include "tagger/fingerprint.h"
#include "tagger/jet_model.h"
#include "tagger/state_dict_format.h"

namespace lorentznet {
namespace {

constexpr const char* kTaskNames[] = {"top", "qg"};

Isa isa_of(const std::string& wanted) {
  if (wanted.empty()) return choose_isa();
  for (const auto isa : {Isa::kAvx512, Isa::kAvx2, Isa::kPortable}) {
    if (wanted != name(isa)) continue;
    if (runs_here(isa)) return isa;
    throw InputError("instruction set " + wanted + ": this processor does not run it");
  }
  throw InputError("instruction set " + in_quotes(wanted) + " is not avx512, avx2 or portable");
}

template <typename T>
std::optional<T> get(const Json& args, const char* name, const std::string& file) {
  const auto found = args.find(name);
  if (found == args.end() || found->is_null()) return std::nullopt;
  try {
    return found->get<T>();
  } catch (const Json::exception&) {
    throw_file_error(file, std::string(name) + " is " + short_text(*found));
  }
}

/// What args.json of a training says of a network of this shape, and where it says nothing, what
/// the published networks compute.
NetworkDescription described_by(const Json& args, const NetworkShape& shape,
                                const std::string& file) {
  const bool quark_gluon = shape.scalars == kNumSpecies;
  const auto& published = quark_gluon ? kPublishedQuarkGluon : kPublishedTop;
  NetworkDescription description{
      .task = kTaskNames[quark_gluon ? 1 : 0],
      .shape = shape,
      .rule = {},
      .c_weight = published.c_weight,
      .beams = !quark_gluon && !get<bool>(args, "no_beams", file).value_or(false),
      .coordinates = get<std::string>(args, "coordinates", file).value_or("double"),
      .masses = std::nullopt};
  if (!quark_gluon) {
    if (shape.scalars != (description.beams ? 2 : 1)) {
      throw_file_error(file, "does not say what the network's " + std::to_string(shape.scalars) +
                                 " scalars are, and neither does its checkpoint");
    }
    description.masses = MassQuartiles{};
  }
  if (const auto weight = get<double>(args, "c_weight", file)) description.c_weight = *weight;
  const auto pooling = get<std::string>(args, "pooling", file).value_or("");
  const auto n_nodes = get<std::int64_t>(args, "n_nodes", file).value_or(0);
  const bool constant = pooling == "constant" || (pooling.empty() && (quark_gluon || n_nodes > 0));
  if (constant) {
    constexpr auto kPublished = kPublishedQuarkGluon.n_nodes;  // the only one that has a constant
    description.rule = {Pooling::kConstant, n_nodes > 0 ? n_nodes : kPublished};
  }
  return description;
}

/// What a checkpoint computes that does not describe itself.
NetworkDescription described_by_args(const std::filesystem::path& checkpoint,
                                     const StateDict& state, const TaggerOptions& options) {
  const auto beside = checkpoint.parent_path() / "args.json";
  const auto file = options.args_json.empty() ? beside : options.args_json;
  if (options.args_json.empty() && !std::filesystem::exists(beside)) {
    throw_file_error(checkpoint.string(),
                     "does not say what its network computes: args.json of its training is needed");
  }
  return described_by(read_json(file), network_shape(state, checkpoint.string()), file.string());
}

}  // namespace

std::string_view reason(JetStatus status) noexcept {
  switch (status) {
    case JetStatus::kScored:
      return "";
    case JetStatus::kEmpty:
      return "no constituents";
    case JetStatus::kTooMany:
      return "more than 4096 constituents";
    case JetStatus::kNotFinite:
      return "a four-momentum or a scalar is not finite";
    case JetStatus::kEnergy:
      return "an energy is not between 1e-15 and 1e12 GeV";
    case JetStatus::kMomentum:
      return "more momentum than energy: four-momenta are (E, px, py, pz)";
    case JetStatus::kUnknownParticle:
      return "an unknown PDG id";
    case JetStatus::kArrays:
      return "sizes of arrays that do not fit each other or the network";
    case JetStatus::kMemory:
      return "no memory";
  }
  return "unknown status";
}

struct Workspace::Memory {
  JetMemory jet;
};

Workspace::Workspace() : memory_(std::make_unique<Memory>()) {}
Workspace::Workspace(Workspace&&) noexcept = default;
Workspace& Workspace::operator=(Workspace&&) noexcept = default;
Workspace::~Workspace() = default;

struct Tagger::Model {
  JetModel jets;
  TaggerInputs inputs;
  std::string metadata;
  Fingerprint fingerprint;
  Isa isa;
  StateDict state;
};

Tagger Tagger::open(const std::filesystem::path& checkpoint, const TaggerOptions& options) {
  const auto isa = isa_of(options.instruction_set);
  const std::string file = checkpoint.string();
  auto state = read_state_dict(checkpoint);
  const auto own = read_description_text(checkpoint);
  JetModel jets(own ? parse_description(*own, file) : described_by_args(checkpoint, state, options),
                state, isa, file);
  check_tests(jets, file);
  const auto& description = jets.description();
  TaggerInputs inputs{.task = description.task,
                      .constituents = own_input(description),
                      .scalars = static_cast<int>(own_scalars(description)),
                      .classes = jets.classes()};
  auto bytes = read_file(checkpoint, std::filesystem::file_size(checkpoint));
  auto metadata = own ? *own : to_text(description);
  return Tagger(std::unique_ptr<const Model>(
      new Model{std::move(jets), std::move(inputs), std::move(metadata),
                Fingerprint(std::move(bytes)), isa, std::move(state)}));
}

Tagger::Tagger(std::unique_ptr<const Model> model) : model_(std::move(model)) {}
Tagger::Tagger(Tagger&&) noexcept = default;
Tagger& Tagger::operator=(Tagger&&) noexcept = default;
Tagger::~Tagger() = default;

const TaggerInputs& Tagger::inputs() const noexcept { return model_->inputs; }
const std::string& Tagger::metadata() const noexcept { return model_->metadata; }
const std::string& Tagger::fingerprint() const noexcept { return model_->fingerprint.get(); }
std::string_view Tagger::instruction_set() const noexcept { return name(model_->isa); }

JetStatus Tagger::score(const JetView& jet, std::span<float> probabilities,
                        Workspace& workspace) const noexcept {
  return model_->jets.score(jet, probabilities, workspace.memory_->jet);
}

std::size_t Tagger::score(const JetsView& jets, std::span<float> probabilities,
                          Workspace& workspace, std::span<JetStatus> status) const noexcept {
  const auto count = jets.offsets.empty() ? 0 : jets.offsets.size() - 1;
  const auto classes = static_cast<std::size_t>(this->classes());
  const auto scalars = static_cast<std::size_t>(inputs().scalars);
  const auto all = jets.p4.size() / 4;
  const bool takes_ids = inputs().constituents == ConstituentInput::kPdgIds;
  const auto& offsets = jets.offsets;
  if (count == 0 || offsets.front() != 0 || offsets.back() != static_cast<std::int64_t>(all) ||
      jets.p4.size() % 4 != 0 || !std::is_sorted(offsets.begin(), offsets.end()) ||
      jets.pdg_id.size() != (takes_ids ? all : 0) || jets.scalars.size() != scalars * all ||
      probabilities.size() != count * classes || (!status.empty() && status.size() != count)) {
    return count;
  }
  std::size_t failed = 0;
  for (std::size_t j = 0; j < count; ++j) {
    const auto first = static_cast<std::size_t>(offsets[j]);
    const auto n = static_cast<std::size_t>(offsets[j + 1]) - first;
    const JetView jet{.p4 = jets.p4.subspan(4 * first, 4 * n),
                      .pdg_id = takes_ids ? jets.pdg_id.subspan(first, n) : jets.pdg_id,
                      .scalars = jets.scalars.subspan(scalars * first, scalars * n)};
    const auto found = score(jet, probabilities.subspan(classes * j, classes), workspace);
    if (!status.empty()) status[j] = found;
    failed += found == JetStatus::kScored ? 0 : 1;
  }
  return failed;
}

std::vector<Tagger::NamedArray> Tagger::arrays() const {
  std::vector<NamedArray> arrays;
  for (const auto& [name, array] : model_->state) {
    NamedArray named{.name = name, .shape = array.shape(), .values = {}};
    const auto copy = [&](const auto& values) {
      named.values.assign(values.begin(), values.end());
    };
    if (array.type() == ElementType::kFloat) copy(array.as<float>());
    if (array.type() == ElementType::kDouble) copy(array.as<double>());
    if (array.type() == ElementType::kInt64) copy(array.as<std::int64_t>());
    arrays.push_back(std::move(named));
  }
  return arrays;
}

}  // namespace lorentznet
