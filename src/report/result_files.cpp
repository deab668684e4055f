#include "report/result_files.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <memory>
#include <stdexcept>
#include <type_traits>

#include "data/probabilities.h"
#include "io/file.h"
#include "io/npy.h"
#include "io/zip.h"
#include "report/ranking.h"

namespace lorentznet {
namespace {

Json or_null(const std::optional<double>& value) { return value ? Json(*value) : Json(nullptr); }

std::size_t classes_of(std::span<const float> probability, std::span<const std::int8_t> label) {
  if (label.empty() || probability.size() % label.size() != 0) {
    throw std::invalid_argument(
        fmt::format("{} probabilities for {} jets", probability.size(), label.size()));
  }
  return probability.size() / label.size();
}

Json json_of(const Interval& interval) {
  const auto finite = [](double value) {
    return std::isfinite(value) ? Json(value) : Json(nullptr);
  };
  if (std::isnan(interval.low)) return nullptr;
  return Json::array({finite(interval.low), finite(interval.high)});
}

// The names of the figures of a ROC curve in test-result.json and test-uncertainty.json.
constexpr const char* kAuc = "test_auc";
constexpr const char* kRejectionAt30 = "test_1/eB_0.3";
constexpr const char* kRejectionAt50 = "test_1/eB_0.5";

/// "NAME_of_class": [figure of class 0, ...] for each figure; null for a class without figures.
/// \tparam Figures  RankingFigures or RankingIntervals
template <typename Figures>
void add_classes_to(Json& json, const std::vector<std::optional<Figures>>& of_class) {
  const auto add = [&](const std::string& name, auto json_of_class) {
    auto list = Json::array();
    for (const auto& figures : of_class) {
      list.push_back(figures ? Json(json_of_class(*figures)) : Json(nullptr));
    }
    json[name + "_of_class"] = std::move(list);
  };
  const auto value_of = [](const auto& figure) {
    if constexpr (std::is_same_v<Figures, RankingFigures>) return or_null(figure);
    if constexpr (std::is_same_v<Figures, RankingIntervals>) return json_of(figure);
  };
  add(kAuc, [&](const Figures& figures) { return value_of(figures.auc); });
  add(kRejectionAt30, [&](const Figures& figures) { return value_of(figures.rejection_at_30); });
  add(kRejectionAt50, [&](const Figures& figures) { return value_of(figures.rejection_at_50); });
}

/// The number of jets of equal weight that count as well as those of class 0.
std::int64_t effective_background(std::span<const std::int8_t> label,
                                  std::span<const double> weight) {
  if (weight.empty()) return std::count(label.begin(), label.end(), 0);
  double sum = 0, sum_of_squares = 0;
  for (std::size_t jet = 0; jet < label.size(); ++jet) {
    const double units = label[jet] == 0 ? weight[jet] : 0;
    sum += units;
    sum_of_squares += units * units;
  }
  return sum > 0 ? std::llround(sum / sum_of_squares * sum) : 0;
}

std::int64_t as_extent(std::size_t size) { return static_cast<std::int64_t>(size); }

/// In double: a probability in float is 0 below 1.4e-45, and 1 above 1 - 3e-8.
std::vector<double> softmax(std::span<const float> logits, std::size_t classes) {
  std::vector<double> probability(logits.size());
  for (std::size_t row = 0; row < logits.size(); row += classes) {
    probabilities_of(&logits[row], static_cast<int>(classes), &probability[row]);
  }
  return probability;
}

}  // namespace

Json to_json(const TrainingRecord& record) {
  return {{"epochs", record.epochs},         {"lr", record.lr},
          {"train_time", record.train_time}, {"val_time", record.val_time},
          {"train_loss", record.train_loss}, {"val_loss", record.val_loss},
          {"train_acc", record.train_acc},   {"val_acc", record.val_acc},
          {"best_val", record.best_val},     {"best_epoch", record.best_epoch}};
}

TestRecord summarize_test(const Scores& scores) {
  TestRecord record{.loss = scores.loss, .accuracy = scores.accuracy};
  const auto classes = scores.num_classes();
  if (classes > 2) {
    record.of_class = one_vs_rest(scores.probability, classes, scores.label, scores.weight);
    record.auc = mean_auc(record.of_class);
    return record;
  }
  record.num_background = effective_background(scores.label, scores.weight);
  if (!has_both_classes(scores.label, scores.weight)) return record;

  const auto figures =
      ranking_figures(column_of(scores.probability, classes, 1), scores.label, scores.weight);
  record.auc = figures.auc;
  record.rejection_at_30 = figures.rejection_at_30;
  record.rejection_at_50 = figures.rejection_at_50;
  return record;
}

Json to_json(const TestRecord& record) {
  Json json{{"test_loss", record.loss},
            {"test_acc", record.accuracy},
            {kAuc, or_null(record.auc)},
            {kRejectionAt30, or_null(record.rejection_at_30)},
            {kRejectionAt50, or_null(record.rejection_at_50)}};
  if (!record.of_class.empty()) add_classes_to(json, record.of_class);
  return json;
}

Json to_json(const ScoreUncertainties& found) {
  const bool two_classes = found.of_class.empty();
  Json json{{"replicas", found.replicas},
            {"test_acc", json_of(found.accuracy)},
            {kAuc, json_of(found.auc)},
            {kRejectionAt30, two_classes ? json_of(found.rejection_at_30) : Json(nullptr)},
            {kRejectionAt50, two_classes ? json_of(found.rejection_at_50) : Json(nullptr)}};
  if (!two_classes) add_classes_to(json, found.of_class);
  return json;
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

std::string score_archive(const Scores& scores) {
  const auto classes = classes_of(scores.logits, scores.label);
  const std::array jets{as_extent(scores.label.size())};
  const std::array shape{jets[0], as_extent(classes)};
  std::vector<std::pair<std::string, std::string>> arrays{
      {"logits.npy", npy_bytes(scores.logits, shape)},
      {"probability.npy", npy_bytes(softmax(scores.logits, classes), shape)}};
  const auto is_known = [](std::int8_t label) { return label >= 0; };
  if (std::any_of(scores.label.begin(), scores.label.end(), is_known)) {
    const std::vector<std::int64_t> labels(scores.label.begin(), scores.label.end());
    arrays.emplace_back("label.npy", npy_bytes(labels, jets));
  }
  if (!scores.weight.empty()) arrays.emplace_back("weight.npy", npy_bytes(scores.weight, jets));
  if (!scores.id.empty()) arrays.emplace_back("id.npy", npy_bytes(scores.id, jets));
  return zip_bytes({arrays.begin(), arrays.end()});
}

void write_together(const std::vector<std::pair<std::filesystem::path, std::string>>& files) {
  std::vector<std::unique_ptr<WholeFile>> written;
  for (const auto& [path, contents] : files) {
    written.push_back(std::make_unique<WholeFile>(path));
    written.back()->append(contents);
  }
  for (const auto& file : written) file->commit();
}

std::string epoch_table(const TrainingRecord& record) {
  std::string table = "  Epoch  Learning rate  Train loss  Train acc  Val loss  Val acc  Time [s]";
  for (std::size_t k = 0; k < record.epochs.size(); ++k) {
    const bool best = record.epochs[k] == record.best_epoch;
    table += fmt::format("\n{} {:5}  {:13.3e}  {:10.4f}  {:9.4f}  {:8.4f}  {:7.4f}  {:8.1f}{}",
                         best ? '*' : ' ', record.epochs[k] + 1, record.lr[k], record.train_loss[k],
                         record.train_acc[k], record.val_loss[k], record.val_acc[k],
                         record.train_time[k] + record.val_time[k], best ? "  best" : "");
  }
  return table;
}

}  // namespace lorentznet
