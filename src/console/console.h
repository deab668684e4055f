#pragma once

#include <string>

namespace lorentznet {

// The programs' output, by spdlog. No torch header may be included beside spdlog's: both bring a
// copy of fmt, of different versions.

/// Prints a line to stdout and flushes it, so that a batch system's log is never behind.
void print(const std::string& line);
/// Prints a line to stderr.
void print_error(const std::string& line);

}  // namespace lorentznet
