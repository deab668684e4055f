// lorentznet._tagger: the tagger for numpy arrays. Checks of arguments, padding and threads are in
// the package's Python files.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/string_view.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "data/particles.h"
#include "lorentznet/tagger.h"

namespace nb = nanobind;

namespace {

using lorentznet::JetStatus;
using lorentznet::Tagger;
using lorentznet::Workspace;

template <typename T, int Dimensions>
using Input = nb::ndarray<const T, nb::ndim<Dimensions>, nb::c_contig, nb::device::cpu>;
template <typename T, int Dimensions>
using Output = nb::ndarray<T, nb::ndim<Dimensions>, nb::c_contig, nb::device::cpu>;

template <typename Array>
auto span_of(const Array& array) {
  return std::span(array.data(), array.size());
}

/// A ValueError whose message may hold any bytes, as names of files may.
[[noreturn]] void raise_value_error(const std::string& message) {
  const auto text = nb::steal(
      PyUnicode_DecodeFSDefaultAndSize(message.data(), static_cast<Py_ssize_t>(message.size())));
  if (text.is_valid()) PyErr_SetObject(PyExc_ValueError, text.ptr());
  throw nb::python_error();
}

/// A new array that owns `values`.
template <typename T>
nb::ndarray<nb::numpy, T> to_numpy(std::vector<T> values, const std::vector<std::size_t>& shape) {
  auto kept = std::make_unique<std::vector<T>>(std::move(values));
  T* data = kept->data();
  const nb::capsule owner(
      kept.get(), [](void* vector) noexcept { delete static_cast<std::vector<T>*>(vector); });
  kept.release();
  return nb::ndarray<nb::numpy, T>(data, shape.size(), shape.data(), owner);
}

/// A tagger, and the workspaces that no thread uses just now.
class Network {
 public:
  Network(const nb::bytes& checkpoint, const nb::bytes& args_json)
      : tagger_(open(std::string(checkpoint.c_str(), checkpoint.size()),
                     std::string(args_json.c_str(), args_json.size()))) {}

  const Tagger& tagger() const { return tagger_; }

  /// Any number of threads may call it. Writes probabilities [J, K] and status [J]; arrays that the
  /// network does not take are empty. Returns the number of jets that were not scored.
  std::size_t score(const Input<std::int64_t, 1>& offsets, const Input<double, 2>& p4,
                    const Input<std::int32_t, 1>& pdg_id, const Input<double, 2>& scalars,
                    const Output<float, 2>& probabilities, const Output<std::uint8_t, 1>& status) {
    const lorentznet::JetsView jets{.offsets = span_of(offsets),
                                    .p4 = span_of(p4),
                                    .pdg_id = span_of(pdg_id),
                                    .scalars = span_of(scalars)};
    const auto to = span_of(probabilities);
    const std::span to_status(reinterpret_cast<JetStatus*>(status.data()), status.size());
    std::fill(to_status.begin(), to_status.end(), JetStatus::kArrays);
    const nb::gil_scoped_release others_may_run;
    Workspace workspace = take_workspace();
    const auto failed = tagger_.score(jets, to, workspace, to_status);
    give_back(std::move(workspace));
    return failed;
  }

  nb::dict arrays() const {
    nb::dict arrays;
    for (auto& [name, shape, values] : tagger_.arrays()) {
      arrays[name.c_str()] = to_numpy(std::move(values), {shape.begin(), shape.end()});
    }
    return arrays;
  }

 private:
  static Tagger open(const std::string& checkpoint, const std::string& args_json) try {
    return Tagger::open(checkpoint, {.args_json = args_json, .instruction_set = {}});
  } catch (const lorentznet::InputError& error) {
    raise_value_error(error.what());
  }

  Workspace take_workspace() {
    const std::lock_guard lock(mutex_);
    if (idle_.empty()) return {};
    Workspace workspace = std::move(idle_.back());
    idle_.pop_back();
    return workspace;
  }

  void give_back(Workspace workspace) {
    const std::lock_guard lock(mutex_);
    idle_.push_back(std::move(workspace));
  }

  Tagger tagger_;
  std::mutex mutex_;
  std::vector<Workspace> idle_;
};

const char* constituents(const Network& network) {
  switch (network.tagger().inputs().constituents) {
    case lorentznet::ConstituentInput::kPdgIds:
      return "pdgid";
    case lorentznet::ConstituentInput::kScalars:
      return "scalars";
    case lorentznet::ConstituentInput::kNothing:
      break;
  }
  return "nothing";
}

/// As the programs compute them: numpy has a cosine and a sine of its own.
/// \param constituents [P, 3] (pT [GeV], rapidity, azimuth)
/// \return [P, 4] (E, px, py, pz) [GeV]; NaN for a particle that is in no table
nb::ndarray<nb::numpy, double> four_momenta(const Input<double, 2>& constituents,
                                            const Input<std::int32_t, 1>& pdg_id) {
  constexpr std::size_t kValues = 3;
  if (constituents.shape(1) != kValues || constituents.shape(0) != pdg_id.shape(0)) {
    throw nb::value_error("four_momenta takes [P, 3] and [P]");
  }
  std::vector<double> p4;
  p4.reserve(4 * pdg_id.size());
  const double* row = constituents.data();
  for (const auto id : span_of(pdg_id)) {
    const auto mass = lorentznet::particle_mass(std::abs(id));
    const auto values = lorentznet::four_momentum(row[0], row[1], row[2], mass.value_or(NAN));
    p4.insert(p4.end(), values.begin(), values.end());
    row += kValues;
  }
  return to_numpy(std::move(p4), {pdg_id.size(), 4});
}

}  // namespace

NB_MODULE(_tagger, module) {
  module.attr("__version__") = LORENTZNET_VERSION;
  module.def("reason", [](std::uint8_t status) {
    return lorentznet::reason(static_cast<JetStatus>(status));
  });
  module.def("four_momenta", four_momenta, nb::arg("constituents"), nb::arg("pdgid"));
  nb::class_<Network>(module, "Network")
      .def(nb::init<const nb::bytes&, const nb::bytes&>(), nb::arg("checkpoint"),
           nb::arg("args_json"))
      .def("score", &Network::score, nb::arg("offsets"), nb::arg("p4"), nb::arg("pdgid"),
           nb::arg("scalars"), nb::arg("probabilities"), nb::arg("status"))
      .def_prop_ro("task", [](const Network& network) { return network.tagger().inputs().task; })
      .def_prop_ro("constituents", constituents)
      .def_prop_ro("scalars",
                   [](const Network& network) { return network.tagger().inputs().scalars; })
      .def_prop_ro("classes", [](const Network& network) { return network.tagger().classes(); })
      .def_prop_ro("metadata", [](const Network& network) { return network.tagger().metadata(); })
      .def_prop_ro("fingerprint",
                   [](const Network& network) { return network.tagger().fingerprint(); })
      .def_prop_ro("instruction_set",
                   [](const Network& network) { return network.tagger().instruction_set(); })
      .def("arrays", &Network::arrays);
}
