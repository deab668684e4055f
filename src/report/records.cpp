#include "lorentznet/records.h"

#include <array>
#include <stdexcept>

#include "io/file.h"
#include "io/npy.h"
#include "lorentznet/error.h"

namespace lorentznet {
namespace {

constexpr std::size_t kMaxJsonBytes = 64 << 20;

Json or_null(const std::optional<double>& value) { return value ? Json(*value) : Json(nullptr); }

}  // namespace

Json to_json(const TrainingRecord& record) {
  return {{"epochs", record.epochs},         {"lr", record.lr},
          {"train_time", record.train_time}, {"val_time", record.val_time},
          {"train_loss", record.train_loss}, {"val_loss", record.val_loss},
          {"train_acc", record.train_acc},   {"val_acc", record.val_acc},
          {"best_val", record.best_val},     {"best_epoch", record.best_epoch}};
}

Json to_json(const TestRecord& record) {
  return {{"test_loss", record.loss},
          {"test_acc", record.accuracy},
          {"test_auc", or_null(record.auc)},
          {"test_1/eB_0.3", or_null(record.rejection_at_30)},
          {"test_1/eB_0.5", or_null(record.rejection_at_50)}};
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

void write_test(const std::filesystem::path& score_file, std::span<const float> probability,
                std::span<const std::int8_t> label, const std::filesystem::path& result_file,
                const Json& result) {
  if (probability.size() != 2 * label.size()) {
    throw std::invalid_argument(std::to_string(probability.size()) + " probabilities for " +
                                std::to_string(label.size()) + " jets of 2 classes");
  }
  std::vector<float> rows;
  rows.reserve(3 * label.size());
  for (std::size_t jet = 0; jet < label.size(); ++jet) {
    rows.insert(rows.end(),
                {static_cast<float>(label[jet]), probability[2 * jet], probability[2 * jet + 1]});
  }
  const std::array<std::int64_t, 2> shape{static_cast<std::int64_t>(label.size()), 3};
  WholeFile scores(score_file), results(result_file);
  scores.append(npy_bytes(rows, shape));
  results.append(result.dump(4));
  scores.commit();
  results.commit();
}

}  // namespace lorentznet
