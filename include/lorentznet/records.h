#pragma once

#include <cstdint>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <vector>

namespace lorentznet {

/// Keeps the order of its keys, as the published files have them.
using Json = nlohmann::ordered_json;

/// What train-result.json holds: an entry a validated epoch. Times are in seconds.
struct TrainingRecord {
  std::vector<std::int64_t> epochs;  ///< from 0
  std::vector<double> lr, train_time, val_time, train_loss, val_loss, train_acc, val_acc;
  double best_val = 0;          ///< highest validation accuracy so far
  std::int64_t best_epoch = 0;  ///< where it was reached first
};

/// What a test adds to it. Figures that need both classes, or background that passes, are empty
/// where they have no value; JSON then holds null.
struct TestRecord {
  double loss = 0, accuracy = 0;
  std::optional<double> auc, rejection_at_30, rejection_at_50;
  std::int64_t num_background = 0;
};

Json to_json(const TrainingRecord& record);
/// The keys and values that a test adds.
Json to_json(const TestRecord& record);

/// Reads a JSON object. \throws InputError naming the file when it is missing or is none
Json read_json(const std::filesystem::path& file);
/// Writes with the published files' indentation, whole or not at all.
void write_json(const std::filesystem::path& file, const Json& json);

/// Writes the two files of a test, each whole or not at all and neither before both are on disk:
/// score.npy, float [N, 3] = (label, p0, p1), and test-result.json.
/// probability: [N, 2]; label: [N].
void write_test(const std::filesystem::path& score_file, std::span<const float> probability,
                std::span<const std::int8_t> label, const std::filesystem::path& result_file,
                const Json& result);

}  // namespace lorentznet
