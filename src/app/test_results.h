#pragma once

#include "lorentznet/evaluate.h"
#include "lorentznet/trainer.h"

namespace lorentznet {

/// Writes what test mode leaves in an experiment's folder: score.npy, score.npz where jets have
/// ids, and, if all jets have labels, test-result.json and, for two classes of jets that count
/// alike, test-uncertainty.json. Figures of an earlier test go: they are not these scores'. \throws
/// std::runtime_error naming the file that can't be written
void write_test_results(const Scores& scores, const RunFolder& folder, const Log& log);

}  // namespace lorentznet
