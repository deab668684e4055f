#pragma once

#include <filesystem>
#include <string>

#include "lorentznet/records.h"

namespace lorentznet {

// The output of the programs, through spdlog. No file may include headers of both torch and spdlog:
// each has its own version of fmt.

/// Prints a line to stdout and flushes it, so that a batch system's log is always up to date. After
/// the reader of a pipe, or a terminal, has gone, lines are in the log file only.
void print(Level level, const std::string& line);
/// Prints a line to stderr.
void print_error(const std::string& line);

/// From now on lines below `level` are not printed; without this call, only details are not.
void set_least_level(Level level);

/// Whether stdout could not be written for another reason, such as a full disk.
bool output_was_lost();

/// From now on all lines are also appended to this file, each with its time, after those that were
/// printed before. If it can't be written, or no longer, one line says so.
void log_to(const std::filesystem::path& file);

/// Whether stdout is a terminal that can redraw a line.
bool on_terminal();
/// Columns of the terminal.
int terminal_width();
/// Draws `text` as the last line of the terminal, in place of the previous one; printed lines
/// appear above it. An empty text removes it.
void draw_status(const std::string& text);

}  // namespace lorentznet
