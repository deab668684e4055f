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

/// The contents of train-result.json.
Json to_json(const TrainingRecord& record);
/// What test-result.json holds besides.
Json to_json(const TestRecord& record);
/// The contents of test-uncertainty.json: "test_acc": [low, high], ... with the names of
/// test-result.json; null for infinite, or instead of an interval of what has no value.
Json to_json(const ScoreUncertainties& uncertainties);

/// The contents of score.npy: float [N, 1 + K] = (label, p0, p1, ...).
/// \param probability  [N, K]
/// \throws std::invalid_argument for other sizes
std::string score_bytes(std::span<const float> probability, std::span<const std::int8_t> label);
/// The contents of score.npz: `logits` [N, K] float, `probability` [N, K] double, their softmax;
/// and where the jets have them `label` (-1: unknown), `weight` and `id` [N].
std::string score_archive(const Scores& scores);

/// The lock of those who write the results of a test: several tests may run in one folder.
inline constexpr const char* kResultsLock = "results.lock";

/// Writes files, each completely or not at all; none appears before all of them are on disk.
/// \throws std::system_error naming the file
void write_together(const std::vector<std::pair<std::filesystem::path, std::string>>& files);

/// A table for people: a line for each validated epoch, the best one marked. Epochs count from 1.
std::string epoch_table(const TrainingRecord& record);

}  // namespace lorentznet
