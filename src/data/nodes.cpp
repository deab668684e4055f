#include "data/nodes.h"

#include <algorithm>
#include <array>
#include <numbers>

#include "lorentznet/error.h"

namespace lorentznet {
namespace {

constexpr std::int64_t kNumBeams = 2;

/// The beams' four-momenta: mass 1, along z (the published program's choice).
constexpr std::array<std::array<double, 4>, kNumBeams> kBeams = {
    {{std::numbers::sqrt2, 0, 0, 1}, {std::numbers::sqrt2, 0, 0, -1}}};

std::int64_t num_beams(const Task& task) { return task.beam_scalars.empty() ? 0 : kNumBeams; }

}  // namespace

std::int64_t num_rows(const JetSet& set, const Task& task) {
  return set.num_constituents() + num_beams(task);
}

std::int64_t num_nodes(const JetSet& set, std::int64_t jet, const Task& task) {
  return num_beams(task) + set.multiplicity(jet);
}

void check_fits(const JetSet& set, std::int64_t jet, const Task& task, std::int64_t n_nodes) {
  const auto nodes = num_nodes(set, jet, task);
  if (nodes <= n_nodes) return;
  throw InputError(set.describe(jet) + ": has " + std::to_string(nodes) +
                   " nodes, more than n_nodes = " + std::to_string(n_nodes) + " (see --n_nodes)");
}

void write_nodes(const JetSet& set, const Task& task, std::span<const std::int64_t> rows,
                 double* p4, double* scalars) {
  const auto constituents = set.num_constituents();
  for (const auto row : rows) {
    if (row < constituents) {
      std::copy_n(set.p4.begin() + 4 * row, 4, p4);
      task.encode(set, row, {scalars, static_cast<std::size_t>(task.n_scalar)});
    } else {
      std::copy_n(kBeams[static_cast<std::size_t>(row - constituents)].begin(), 4, p4);
      std::copy_n(task.beam_scalars.begin(), task.n_scalar, scalars);
    }
    p4 += 4;
    scalars += task.n_scalar;
  }
}

}  // namespace lorentznet
