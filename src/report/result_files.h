#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "io/json.h"
#include "lorentznet/metrics.h"
#include "lorentznet/records.h"

namespace lorentznet {

Json to_json(const TrainingRecord& record);
/// The keys and values that a test adds.
Json to_json(const TestRecord& record);
/// "test_acc": [low, high], ... with the names of test-result.json; null for infinite.
Json to_json(const ScoreUncertainties& uncertainties);

/// The contents of score.npy for N jets: float [N, 1 + K] = (label, p0, p1, ...).
/// \param probability [N, K] \param label [N]
std::string score_bytes(std::span<const float> probability, std::span<const std::int8_t> label);
/// The same as an .npz with the user's ids: `id` [N], `label` [N], `probability` [N, K].
std::string score_archive(std::span<const float> probability, std::span<const std::int8_t> label,
                          std::span<const std::int64_t> id);

/// Writes files, each whole or not at all, and none before all of them are on disk.
void write_together(const std::vector<std::pair<std::filesystem::path, std::string>>& files);

/// A table for people: one line per validated epoch, the best one marked; epochs count from 1.
std::string epoch_table(const TrainingRecord& record);

}  // namespace lorentznet
