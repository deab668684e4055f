#pragma once

#include <string>
#include <utility>
#include <vector>

#include "app/run.h"
#include "lorentznet/records.h"

namespace lorentznet {

/// With --report, before hours of work: whether scripts/report.py is there and finds matplotlib.
/// \throws InputError naming what is missing
void check_report_script();

/// Scores the test jets, then again in each boosted frame that the arguments name, and writes the
/// results to the experiment's folder. Collective; rank 0 alone writes.
/// \throws std::system_error naming the file that can't be written
void run_test(const Run& run, LorentzNet& network);

}  // namespace lorentznet
