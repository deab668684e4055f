#pragma once

#include <filesystem>

namespace lorentznet {

// The report is drawn by scripts/report.py, with matplotlib.

/// Finds script, Python and its packages before hours of work. \throws InputError saying what lacks
void check_report_can_be_made();

/// Writes report.html into an experiment's folder. \throws std::runtime_error
void make_report(const std::filesystem::path& folder);

}  // namespace lorentznet
