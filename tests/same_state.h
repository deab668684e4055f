#pragma once

#include <filesystem>

namespace lorentznet::test {

/// Requires that two checkpoints, or two training states, agree bit for bit, but for the times of
/// epochs.
void require_same_state(const std::filesystem::path& a, const std::filesystem::path& b);

}  // namespace lorentznet::test
