#pragma once

#include <functional>

#include "parallel/processes.h"

namespace lorentznet::test {

/// Runs f once for each rank of a group of `size`, which talk through Gloo on this machine, each in
/// a thread of its own. Rethrows what a rank threw.
void run_ranks(std::int64_t size, const std::function<void(Processes&)>& f);

}  // namespace lorentznet::test
