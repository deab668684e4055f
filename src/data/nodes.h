#pragma once

#include <cstdint>
#include <span>

#include "lorentznet/jets.h"
#include "lorentznet/task.h"

namespace lorentznet {

// The nodes of a jet's graph: the two beams, of a task that has them, then the jet's constituents.
// A node is named by its row: row p is constituent p of the set; the beams are the rows after the
// last constituent.

/// Whether the arrays of `set` have the sizes that its offsets and `task` say, so that none is read
/// past its end.
/// \throws InputError naming the array and both values
void check_arrays(const JetSet& set, const Task& task);

/// Number of rows: constituents of `set` and beams.
std::int64_t num_rows(const JetSet& set, const Task& task);

/// Nodes of a jet of `set`: its constituents and the task's beams.
std::int64_t num_nodes(const JetSet& set, std::int64_t jet, const Task& task);

/// Padding to a constant n_nodes is part of the training statistics, so a training jet must fit.
/// \throws InputError naming the jet if it has more than `n_nodes` nodes
void check_fits(const JetSet& set, std::int64_t jet, const Task& task, std::int64_t n_nodes);

/// Writes four-momenta [R, 4] (GeV) and input scalars [R, S] of the nodes `rows` [R].
void write_nodes(const JetSet& set, const Task& task, std::span<const std::int64_t> rows,
                 double* p4, double* scalars);

}  // namespace lorentznet
