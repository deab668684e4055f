#pragma once

#include <cstdint>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <string>
#include <utility>
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
  /// Above two classes: of each against all others; `auc` is then their mean, and there are no
  /// rejections.
  std::vector<std::optional<double>> auc_of_class = {};
};

Json to_json(const TrainingRecord& record);
/// The keys and values that a test adds.
Json to_json(const TestRecord& record);

/// Reads a JSON object. \throws InputError naming the file when it is missing or is none
Json read_json(const std::filesystem::path& file);
/// Writes with the published files' indentation, whole or not at all.
void write_json(const std::filesystem::path& file, const Json& json);

/// What score.npy holds of N jets, float [N, 1 + K] = (label, p0, p1, ...). probability: [N, K];
/// label: [N].
std::string score_bytes(std::span<const float> probability, std::span<const std::int8_t> label);
/// The same as an .npz with the user's ids: `id` [N], `label` [N], `probability` [N, K].
std::string score_archive(std::span<const float> probability, std::span<const std::int8_t> label,
                          std::span<const std::int64_t> id);

/// Writes files, each whole or not at all and none before all are on disk.
void write_together(const std::vector<std::pair<std::filesystem::path, std::string>>& files);

}  // namespace lorentznet
