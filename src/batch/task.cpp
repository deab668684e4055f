#include "lorentznet/task.h"

#include <cmath>

#include "lorentznet/quark_gluon_data.h"
#include "lorentznet/top_data.h"

namespace lorentznet {
namespace {

/// psi(p) = sign(p) log(1 + |p|) for p >= 0.
double psi_of_mass(double mass) { return std::log1p(mass); }

/// Towers are massless up to rounding, so the order of these operations decides what is left: it is
/// the published program's, 2 E^2 - (E^2 + px^2 + py^2 + pz^2), in double from the stored values.
double invariant_mass(const double* p) {
  const double sum = p[0] * p[0] + p[1] * p[1] + p[2] * p[2] + p[3] * p[3];
  return std::sqrt(std::abs(2 * (p[0] * p[0]) - sum));
}

void encode_top(const JetSet& jets, std::int64_t constituent, std::span<double> scalars) {
  scalars[0] = psi_of_mass(invariant_mass(&jets.p4[static_cast<std::size_t>(4 * constituent)]));
  scalars[1] = 0;
}

void encode_quark_gluon(const JetSet& jets, std::int64_t constituent, std::span<double> scalars) {
  std::fill(scalars.begin(), scalars.end(), 0.0);
  const auto species = jets.species[static_cast<std::size_t>(constituent)];
  if (species >= 0) scalars[static_cast<std::size_t>(species)] = 1;
}

DataSplits read_top_splits(const DataSelection& selection) {
  const auto files = selection.test_only ? find_top_files(selection.datadir, {"test"})
                                         : find_top_files(selection.datadir);
  DataSplits splits;
  splits.test = read_top_split(files.test, -1);
  if (selection.test_only) return splits;
  splits.train = read_top_split(files.train, selection.num_train);
  splits.val = read_top_split(files.val, -1);
  return splits;
}

DataSplits read_quark_gluon_splits(const DataSelection& selection) {
  const auto files = find_quark_gluon_files(selection.datadir);
  auto splits = split_by_position(read_quark_gluon_files(files, selection.num_data));
  if (selection.test_only) return {.train = {}, .val = {}, .test = std::move(splits.test)};
  return splits;
}

}  // namespace

const Task& top_tagging() {
  static const Task task{.name = "top",
                         .title = "Top tagging",
                         .n_scalar = 2,
                         .beam_scalars = {0, psi_of_mass(1)},
                         .pools_over_batch = true,
                         .published_n_nodes = 0,
                         .c_weight = 5e-3,
                         .validation_name = "valid",
                         .encode = encode_top,
                         .read_splits = read_top_splits,
                         .read_file = [](const auto& file) { return read_top_jets(file); }};
  return task;
}

const Task& quark_gluon_tagging() {
  static const Task task{.name = "qg",
                         .title = "Quark/gluon tagging",
                         .n_scalar = 8,
                         .beam_scalars = {},
                         .pools_over_batch = false,
                         .published_n_nodes = 139,
                         .c_weight = 1e-3,
                         .validation_name = "val",
                         .encode = encode_quark_gluon,
                         .read_splits = read_quark_gluon_splits,
                         .read_file = [](const auto& file) { return read_quark_gluon_jets(file); }};
  return task;
}

}  // namespace lorentznet
