#pragma once

#include "app/arguments.h"
#include "lorentznet/evaluate.h"

namespace lorentznet {

/// Downloads the published data set into --datadir where nothing is there yet: quark/gluon jets, as
/// many files as are needed, always; top jets with --download. A folder that has data is used as it
/// is; a download that was interrupted goes on. \throws InputError
void fetch_data(const Task& task, const Arguments& arguments, const Log& log);

}  // namespace lorentznet
