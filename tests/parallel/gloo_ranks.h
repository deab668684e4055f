#pragma once

#include <cstdint>
#include <functional>

#include "parallel/processes.h"

namespace lorentznet::test {

/// Runs f once for each of `size` ranks, each in a thread of its own; they communicate through Gloo
/// on this machine. Rethrows what a rank threw.
void run_ranks(std::int64_t size, const std::function<void(Processes&)>& f);

}  // namespace lorentznet::test
