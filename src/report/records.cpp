#include "lorentznet/records.h"

#include <array>
#include <memory>
#include <stdexcept>

#include "io/file.h"
#include "io/npy.h"
#include "io/zip_writer.h"
#include "lorentznet/error.h"

namespace lorentznet {
namespace {

constexpr std::size_t kMaxJsonBytes = 64 << 20;

Json or_null(const std::optional<double>& value) { return value ? Json(*value) : Json(nullptr); }

std::size_t classes_of(std::span<const float> probability, std::span<const std::int8_t> label) {
  if (label.empty() || probability.size() % label.size() != 0) {
    throw std::invalid_argument(std::to_string(probability.size()) + " probabilities for " +
                                std::to_string(label.size()) + " jets");
  }
  return probability.size() / label.size();
}

std::int64_t as_extent(std::size_t size) { return static_cast<std::int64_t>(size); }

}  // namespace

Json to_json(const TrainingRecord& record) {
  return {{"epochs", record.epochs},         {"lr", record.lr},
          {"train_time", record.train_time}, {"val_time", record.val_time},
          {"train_loss", record.train_loss}, {"val_loss", record.val_loss},
          {"train_acc", record.train_acc},   {"val_acc", record.val_acc},
          {"best_val", record.best_val},     {"best_epoch", record.best_epoch}};
}

Json to_json(const TestRecord& record) {
  Json json{{"test_loss", record.loss},
            {"test_acc", record.accuracy},
            {"test_auc", or_null(record.auc)},
            {"test_1/eB_0.3", or_null(record.rejection_at_30)},
            {"test_1/eB_0.5", or_null(record.rejection_at_50)}};
  if (record.auc_of_class.empty()) return json;
  json["test_auc_of_class"] = Json::array();
  for (const auto& auc : record.auc_of_class) json["test_auc_of_class"].push_back(or_null(auc));
  return json;
}

Json read_json(const std::filesystem::path& file) {
  const auto text = read_file(file, kMaxJsonBytes);
  const auto json = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) throw InputError(file.string() + ": not a JSON object");
  return json;
}

void write_json(const std::filesystem::path& file, const Json& json) {
  write_file_whole(file, json.dump(4));
}

std::string score_bytes(std::span<const float> probability, std::span<const std::int8_t> label) {
  const auto classes = classes_of(probability, label);
  std::vector<float> rows;
  rows.reserve((classes + 1) * label.size());
  for (std::size_t jet = 0; jet < label.size(); ++jet) {
    rows.push_back(static_cast<float>(label[jet]));
    const auto p = probability.subspan(classes * jet, classes);
    rows.insert(rows.end(), p.begin(), p.end());
  }
  const std::array shape{as_extent(label.size()), as_extent(classes + 1)};
  return npy_bytes(rows, shape);
}

std::string score_archive(std::span<const float> probability, std::span<const std::int8_t> label,
                          std::span<const std::int64_t> id) {
  if (id.size() != label.size()) {
    throw std::invalid_argument(std::to_string(id.size()) + " ids for " +
                                std::to_string(label.size()) + " jets");
  }
  const std::array jets{as_extent(label.size())};
  const std::array shape{jets[0], as_extent(classes_of(probability, label))};
  const std::vector<std::int64_t> labels(label.begin(), label.end());
  return zip_bytes({{"id.npy", npy_bytes(id, jets)},
                    {"label.npy", npy_bytes(labels, jets)},
                    {"probability.npy", npy_bytes(probability, shape)}});
}

void write_together(const std::vector<std::pair<std::filesystem::path, std::string>>& files) {
  std::vector<std::unique_ptr<WholeFile>> written;
  for (const auto& [path, contents] : files) {
    written.push_back(std::make_unique<WholeFile>(path));
    written.back()->append(contents);
  }
  for (const auto& file : written) file->commit();
}

}  // namespace lorentznet
