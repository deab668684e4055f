#pragma once

#include <functional>
#include <string>

#include "bench/flags.h"
#include "io/json.h"

namespace lorentznet::bench {

/// All measurements that `settings` ask for: {"machine", "data", "rates", "latency", "memory",
/// "end_to_end"}, the last four lists of objects. What one of them can't do is an "error" in its
/// object, and the others go on.
///
/// \param progress  receives a line for people before each step
/// \throws InputError if the data or the checkpoint cannot be used
Json measure(const Settings& settings, const std::function<void(const std::string&)>& progress);

}  // namespace lorentznet::bench
