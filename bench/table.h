#pragma once

#include <string>

#include "io/json.h"

namespace lorentznet::bench {

/// What measure() found, for people: lines of at most 120 columns.
std::string table(const Json& results);

}  // namespace lorentznet::bench
