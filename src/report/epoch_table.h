#pragma once

#include <string>

#include "lorentznet/records.h"

namespace lorentznet {

/// A line for each validated epoch, the best one marked; epochs from 1, as in the other lines.
std::string epoch_table(const TrainingRecord& record);

}  // namespace lorentznet
