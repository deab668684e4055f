#pragma once

#include <functional>

#include "io/json.h"

namespace lorentznet::bench {

/// Calls `measure` in a process of its own, and returns what it returns.
///
/// Its threads, its memory and its faults are then its own. The process is forked, so it shares the
/// data that are loaded; the caller must not have used LibTorch's threads, which a fork loses.
/// \throws std::runtime_error with its message if it throws, or dies
Json in_child(const std::function<Json()>& measure);

}  // namespace lorentznet::bench
