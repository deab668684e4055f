#include "data/nodes.h"

#include <algorithm>

#include "data/constituents.h"
#include "lorentznet/error.h"

namespace lorentznet {
namespace {

void require_count(const std::string& what, std::size_t count, const std::string& of,
                   std::int64_t expected) {
  if (static_cast<std::int64_t>(count) == expected) return;
  throw InputError("jets: " + std::to_string(count) + " " + what + " of " +
                   std::to_string(expected) + " " + of);
}

std::int64_t num_beams(const Task& task) { return task.beam_scalars.empty() ? 0 : kNumBeams; }

}  // namespace

void check_arrays(const JetSet& set, const Task& task) {
  const auto nodes = set.num_constituents();
  require_count("components of momenta", set.p4.size(), "(4 a constituent)", 4 * nodes);
  require_count("columns", set.column.size(), "constituents", nodes);
  require_count("labels", set.label.size(), "jets", set.num_jets());
  if (!set.weight.empty()) require_count("weights", set.weight.size(), "jets", set.num_jets());
  if (!set.species.empty()) require_count("species", set.species.size(), "constituents", nodes);
  if (!task.beam_scalars.empty()) {
    require_count("scalars of a beam", task.beam_scalars.size(), "of the task", task.n_scalar);
  }
  const auto own = set.num_scalars();
  require_count(
      "scalars", set.scalars.size(),
      "(" + std::to_string(own) + " for each of " + std::to_string(nodes) + " constituents)",
      own * nodes);
  const auto taken = task.n_scalar - (task.beam_scalars.empty() ? 0 : 1);
  if (nodes > 0 && task.for_scalars != nullptr && std::max<std::int64_t>(own, 1) != taken) {
    throw InputError("jets: " + std::to_string(own) + " scalars a constituent, the task takes " +
                     std::to_string(taken));
  }
}

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
