#include "app/test_results.h"

#include <ATen/Parallel.h>
#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "lorentznet/metrics.h"
#include "report/result_files.h"

namespace lorentznet {
namespace {

using Files = std::vector<std::pair<std::filesystem::path, std::string>>;

bool has_labels(const Scores& scores) {
  return std::none_of(scores.label.begin(), scores.label.end(),
                      [](std::int8_t label) { return label < 0; });
}

Files score_files(const Scores& scores, const RunFolder& folder) {
  Files files{{folder.scores(), score_bytes(scores.probability, scores.label)}};
  if (!scores.id.empty()) {
    files.emplace_back(folder.score_archive(),
                       score_archive(scores.probability, scores.label, scores.id));
  }
  return files;
}

Json merged_result(const TestRecord& record, const RunFolder& folder) {
  auto result = std::filesystem::exists(folder.train_result()) ? read_json(folder.train_result())
                                                               : Json::object();
  result.update(to_json(record));
  return result;
}

std::string test_line(const TestRecord& record) {
  const auto auc = record.auc ? fmt::format("{:.4f}", *record.auc)
                              : (record.auc_of_class.empty() ? "none (jets of one class)"
                                                             : "none (a class has no jets)");
  const auto rejection = [&](const std::optional<double>& value) {
    return record.auc && record.auc_of_class.empty()
               ? format_rejection(value, record.num_background)
               : "none";
  };
  return fmt::format("Test: Loss {:.4f} \t Acc {:.4f} \t AUC: {} \t 1/eB 0.3: {} \t 1/eB 0.5: {}",
                     record.loss, record.accuracy, auc, rejection(record.rejection_at_30),
                     rejection(record.rejection_at_50));
}

}  // namespace

void write_test_results(const Scores& scores, const RunFolder& folder, const Log& log) {
  auto files = score_files(scores, folder);
  std::optional<TestRecord> record;
  if (has_labels(scores)) {
    record = summarize_test(scores);
    files.emplace_back(folder.test_result(), merged_result(*record, folder).dump(4));
  }
  write_together(files);
  if (!record) std::filesystem::remove(folder.test_result());
  std::filesystem::remove(folder.uncertainties());
  if (scores.id.empty()) std::filesystem::remove(folder.score_archive());
  if (!record) {
    log.result(
        fmt::format("Test: {} jets scored; without labels of all of them there are no figures",
                    scores.label.size()));
    return;
  }
  log.result(test_line(*record));
  if (record->auc && scores.num_classes() == 2 && scores.weight.empty()) {
    write_json(folder.uncertainties(), to_json(bootstrap(scores.probability, scores.label,
                                                         {.threads = at::get_num_threads()})));
  }
}

}  // namespace lorentznet
