#pragma once

#include <filesystem>
#include <string>

namespace lorentznet {

// The programs' output, by spdlog. No torch header may be included beside spdlog's: both bring a
// copy of fmt, of different versions.

/// Whom a line is for.
enum class Level {
  kDetail,  ///< who asks with -v; the log file
  kInfo,    ///< everyone
  kResult,  ///< also who wants no more than that, with -q
};

/// Prints a line to stdout and flushes it, so that a batch system's log is never behind.
void print(const std::string& line, Level level);
void print(const std::string& line);  ///< Level::kInfo
/// Prints a line to stderr.
void print_error(const std::string& line);

/// From now on lines below `level` are not printed.
void set_least_level(Level level);

/// From now on all lines go to this file too, each with its time, behind what the file has; first
/// those that were printed before. When it can't be written any more, a line says so, once.
/// \throws std::system_error naming it when it can't be opened
void log_to(const std::filesystem::path& file);

/// Whether stdout is a terminal that can redraw a line.
bool on_terminal();
/// Columns of the terminal.
int terminal_width();
/// Draws `text` as the last line of the terminal, in the place of what was drawn before; lines that
/// are printed stand above it. Empty: nothing is left there.
void draw_status(const std::string& text);

}  // namespace lorentznet
