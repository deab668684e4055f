#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "app/arguments.h"
#include "io/json.h"
#include "lorentznet/jets.h"
#include "lorentznet/records.h"

namespace lorentznet {

// What a result is made from, so that it can be repeated, and is never joined with another one's.

/// "top_tagging 0.1.0 (commit 0123456789ab)"; a "+" after the commit: the sources differ from it.
std::string describe_program(const Task& task);

/// The words of a command line as one that a shell understands, in printable characters.
std::string shell_line(const std::vector<std::string>& words);

/// The files that the jets of a run are from: [{file, bytes, sha256, train, val, test, skipped}],
/// the last four numbers of jets. Needs DataSplits::files.
Json describe_files(const DataSplits& data);

/// A checkpoint: {file, sha256}. \throws InputError if it can't be read
Json describe_checkpoint(const std::filesystem::path& file);

/// {program, command, data}: who computes, and from what.
Json describe_run(const Task& task, const Arguments& arguments, const DataSplits& data);

/// The same for the results of a test, whose data are [{file, bytes, sha256, first_row, last_row,
/// jets, skipped}], with the checkpoint.
Json describe_test(const Task& task, const Arguments& arguments, const DataSplits& data,
                   const std::filesystem::path& checkpoint);

/// What a test is of: {checkpoint, data: [{sha256, first_row, last_row, jets}]}. Results with the
/// same value may be shown together.
Json identify(const Json& test);

/// Adds a run of a training to `file`, {runs: [{started, ...}]}, after those that it continues. If
/// it can't be written, a line says so.
/// \param is_new  the first run: nothing in the file belongs to it
void record_training(const std::filesystem::path& file, const Json& description, bool is_new,
                     const Log& log);

/// The lines of run.log about all of this, but the program.
void log_files(const Json& files, const Log& log);

}  // namespace lorentznet
