#pragma once

#include "app/arguments.h"
#include "lorentznet/communicator.h"
#include "lorentznet/evaluate.h"

namespace lorentznet {

/// Reads --datadir and --test_data. Downloads the published data set first where nothing is there
/// yet: quark/gluon jets, as many files as are needed, always; top jets with --download. A folder
/// that has data is used as it is; a download that was interrupted goes on. Collective.
/// \throws InputError
DataSplits read_data(const Task& task, const Arguments& arguments, const Communicator& ranks,
                     const Log& log);

}  // namespace lorentznet
