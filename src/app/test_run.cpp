#include <ATen/Parallel.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "app/run.h"
#include "console/console.h"
#include "io/hash.h"
#include "io/message.h"
#include "lorentznet/error.h"
#include "lorentznet/metrics.h"
#include "report/result_files.h"
#include "train/equivariance.h"

namespace lorentznet {
namespace {

Frame frame_of(const Arguments& arguments, double beta) {
  return {.beta = beta,
          .axis = arguments.boost_axis,
          .rotates = arguments.rotate,
          .seed = static_cast<std::uint64_t>(arguments.seed)};
}

Scores score(const Run& run, LorentzNet& network, const Frame& frame) {
  const auto& arguments = run.experiment.arguments;
  const PassOptions options{.partition = "test",
                            .epochs = arguments.epochs,
                            .batch_size = arguments.batch_size,
                            .num_workers = arguments.num_workers,
                            .log_interval = arguments.log_interval,
                            .ranks = run.processes.communicator(),
                            .frame = frame,
                            .observer = run.output.recorder.get()};
  auto scores =
      evaluate(network, run.data.test, run.plan.task, run.plan.rule, options, run.output.log)
          .value();
  scores.weight = {run.data.test_weight.begin(), run.data.test_weight.end()};
  return scores;
}

/// A figure is NaN if all weights are 0.
std::string or_none(double figure) {
  return std::isnan(figure) ? "none" : fmt::format("{:.4f}", figure);
}

std::string test_line(const TestRecord& record) {
  const auto auc = record.auc ? fmt::format("{:.4f}", *record.auc)
                              : (record.of_class.empty() ? "none (jets of one class)"
                                                         : "none (a class has no jets)");
  const auto rejection = [&](const std::optional<double>& value) {
    return record.auc && record.of_class.empty() ? format_rejection(value, record.num_background)
                                                 : "none";
  };
  return fmt::format("Test: Loss {} \t Acc {} \t AUC: {} \t 1/eB 0.3: {} \t 1/eB 0.5: {}",
                     or_none(record.loss), or_none(record.accuracy), auc,
                     rejection(record.rejection_at_30), rejection(record.rejection_at_50));
}

/// "AUC of each class against all others: 0.9123, none, 0.8765"
std::string classes_line(const TestRecord& record) {
  std::string line = "AUC of each class against all others:";
  for (const auto& figures : record.of_class) {
    line += (line.back() == ':' ? " " : ", ") + or_none(figures ? figures->auc : std::nan(""));
  }
  return line;
}

/// Whether the scores have figures: all jets have labels.
bool has_labels(const Scores& scores) {
  return std::find(scores.label.begin(), scores.label.end(), -1) == scores.label.end();
}

/// Jets without labels have no figures; those in the folder stay.
void announce_unlabelled(const Scores& scores, const RunFolder& folder, const Log& log) {
  log.result(
      fmt::format("Test: {} jets scored; without labels for all of them there are no figures",
                  scores.label.size()));
  if (!std::filesystem::exists(folder.test_result())) return;
  log.info(folder.test_result().string() + " stays: it is of an earlier test");
}

/// Several tests in one folder write one after the other: its files are then of one of them. The
/// scores are not lost to one that hangs.
void take_turn(FolderLock& lock, const RunFolder& folder, const Log& log) {
  constexpr auto kPatience = std::chrono::minutes(10);  // the bootstrap takes seconds
  try {
    lock.take(folder.path(), FolderLock::Kind::kExclusive, "test", "", kPatience);
  } catch (const std::exception& error) {
    log.info("Warning: " + std::string(error.what()) +
             ": the results of another test may be mixed with these");
  }
}

/// Where the results of a test come from: describe_test().
Json origin_of(const Run& run) {
  const auto& experiment = run.experiment;
  auto description =
      describe_test(run.plan.task, experiment.arguments, run.data, experiment.folder.best_model());
  const auto& checkpoint = description.at("checkpoint");
  run.output.log.detail(fmt::format("Checkpoint: {}; SHA-256 {}",
                                    shell_line({checkpoint.at("file").get<std::string>()}),
                                    checkpoint.at("sha256").get<std::string>()));
  return description;
}

std::string sha256_of(std::string_view bytes) {
  Sha256 sum;
  sum.add(bytes);
  return sum.finish();
}

/// The record of the training, that of the test, and where it comes from.
/// \param scores  the contents of score.npy
Json merged_result(const Json& training, const TestRecord& record, const Json& origin,
                   const std::string& scores) {
  auto result = training;
  result.update(to_json(record));
  result["of"] = identify(origin);
  result["provenance"] = origin;
  result["provenance"]["score.npy"] = sha256_of(scores);
  return result;
}

/// Writes score.npy, score.npz and, if all jets have labels, test-result.json and, where there is a
/// ROC curve, test-uncertainty.json. Removes those of an earlier test that do not belong to these
/// scores.
/// \param training  what test-result.json repeats of the training
void write_results(const Scores& scores, const Json& training, const Json& origin,
                   const RunFolder& folder, const Log& log) {
  FolderLock turn(kResultsLock);
  take_turn(turn, folder, log);
  std::vector<std::pair<std::filesystem::path, std::string>> files{
      {folder.scores(), score_bytes(scores.probability, scores.label)},
      {folder.score_archive(), score_archive(scores)}};
  TestRecord record;
  std::exception_ptr failure;
  try {
    if (has_labels(scores)) {
      record = summarize_test(scores);
      const auto result = merged_result(training, record, origin, files.front().second);
      files.emplace_back(folder.test_result(), result.dump(4));
    }
  } catch (...) {
    failure = std::current_exception();
  }
  write_together(files);  // hours of work, whatever is wrong with their figures
  if (failure) std::rethrow_exception(failure);
  if (!has_labels(scores)) return announce_unlabelled(scores, folder, log);
  log.result(test_line(record));
  if (!record.of_class.empty()) log.info(classes_line(record));
  if (!scores.weight.empty()) log.info("All figures of the test count its jets by their weights");
  const bool has_curve = record.auc || std::any_of(record.of_class.begin(), record.of_class.end(),
                                                   [](const auto& figures) { return figures; });
  if (!has_curve) {
    std::filesystem::remove(folder.uncertainties());
    return;
  }
  // Those of an earlier test stay until then: `of` tells of what they are.
  auto uncertainties = to_json(bootstrap(scores.probability, scores.label,
                                         {.threads = at::get_num_threads()}, scores.weight));
  uncertainties["of"] = identify(origin);
  write_json(folder.uncertainties(), uncertainties);
}

/// The largest change of a probability of any jet.
double largest_change(const Scores& scores, const Scores& at_rest) {
  double largest = 0;
  for (std::size_t k = 0; k < scores.probability.size(); ++k) {
    const double change = double{scores.probability[k]} - double{at_rest.probability[k]};
    largest = std::max(largest, std::abs(change));
  }
  return largest;
}

void write_boosted(const Run& run, const Scores& scores, const Scores& at_rest, double beta,
                   const Json& of) {
  const auto& arguments = run.experiment.arguments;
  const auto auc = summarize_test(scores).auc;
  Json record{{"beta", beta},
              {"acc", scores.accuracy},
              {"loss", scores.loss},
              {"auc", auc ? Json(*auc) : Json(nullptr)},
              {"max_change", largest_change(scores, at_rest)}};
  if (arguments.given.contains("boost_axis")) {
    record["axis"] = frame_of(arguments, beta).axis_name();
  }
  if (arguments.rotate) record["rotated"] = true;
  record["of"] = of;
  write_json(run.experiment.results.boost(beta), record);
  run.output.log.result(fmt::format("Boost: beta {} \t Loss {} \t Acc {}", beta,
                                    or_none(scores.loss), or_none(scores.accuracy)));
}

void study_frames(const Run& run, LorentzNet& network, const Json& of) {
  const auto& arguments = run.experiment.arguments;
  const auto& jets = run.data.test;
  const EquivarianceOptions options{.jets = std::min(arguments.equivariance, jets.num_jets()),
                                    .betas = arguments.boost,
                                    .frame = frame_of(arguments, 0),
                                    .batch_size = arguments.batch_size};
  auto study =
      study_equivariance(network, jets, run.plan.task, run.plan.rule, options, run.output.log);
  study["of"] = of;
  write_json(run.experiment.results.equivariance(), study);
}

/// Runs `python3 report.py ARGUMENTS...` to its end. The script is in the source tree that the
/// program was built from, or in the folder that LORENTZNET_SCRIPTS names.
/// \return the last line of its output if it fails, else nothing
std::optional<std::string> run_report_script(const std::vector<std::string>& words) {
  const char* const chosen = std::getenv("LORENTZNET_SCRIPTS");
  const std::filesystem::path folder = chosen != nullptr ? chosen : LORENTZNET_SCRIPTS_DIR;
  const auto script = folder / "report.py";
  if (!std::filesystem::exists(script)) {
    return "there is no " + script.string() + " (LORENTZNET_SCRIPTS names the folder)";
  }
  std::string command = "python3 " + shell_word(script.string());
  for (const auto& word : words) command += " " + shell_word(word);
  std::FILE* const output = popen((command + " 2>&1").c_str(), "r");
  if (output == nullptr) return "no shell could be started";
  std::string last;
  std::array<char, 4096> line{};
  while (std::fgets(line.data(), line.size(), output) != nullptr) last = line.data();
  if (pclose(output) == 0) return std::nullopt;
  return last.substr(0, last.find('\n'));
}

void make_report(const Run& run) {
  const auto& folder = run.experiment.folder;
  const auto& results = run.experiment.results;
  if (const auto error =
          run_report_script({results.path().string(), "--experiment", folder.path().string()})) {
    throw std::runtime_error("the report could not be made: " + *error);
  }
  run.output.log.info("Report: " + results.report().string());
}

}  // namespace

void check_report_script() {
  if (const auto error = run_report_script({"--check"})) throw InputError("--report: " + *error);
}

void run_test(const Run& run, LorentzNet& network, const Json& training) {
  const auto& arguments = run.experiment.arguments;
  const auto& folder = run.experiment.results;
  Json origin;
  if (run.leads()) {  // a folder that can't be written is found before the work
    claim_results(run.experiment, run.output.log);
    log_to(folder.log());
    if (!arguments.out.empty()) run.output.log.info("Results: " + folder.path().string());
    origin = origin_of(run);
  }
  const auto scores = score(run, network, {});
  if (run.leads()) write_results(scores, training, origin, folder, run.output.log);
  for (const double beta : arguments.boost) {
    const auto boosted = score(run, network, frame_of(arguments, beta));
    if (run.leads()) write_boosted(run, boosted, scores, beta, identify(origin));
  }
  if (!run.leads()) return;
  if (arguments.equivariance > 0) study_frames(run, network, identify(origin));
  if (arguments.report) make_report(run);
}

}  // namespace lorentznet
