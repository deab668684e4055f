#include "app/output.h"

#include <string>
#include <system_error>

#include "console/console.h"

namespace lorentznet {

void Recorder::record_to(const std::filesystem::path& folder,
                         std::optional<std::int64_t> resumed_at) {
  events_.emplace(folder, resumed_at);
}

void Recorder::on_batch(const PassProgress& progress) {
  if (live_) line_.show(progress);
}

void Recorder::add(std::int64_t step, const std::vector<Scalar>& scalars) {
  if (!events_) return;
  try {
    events_->add(step, scalars);
  } catch (const std::system_error& error) {
    print(Level::kInfo, std::string("Warning: no more events for TensorBoard: ") + error.what());
    events_.reset();
  }
}

void Recorder::on_step(const StepFigures& figures) {
  add(figures.step, {{"step/loss", figures.loss},
                     {"step/accuracy", figures.accuracy},
                     {"step/learning_rate", figures.learning_rate},
                     {"step/jets_per_second", figures.jets_per_second},
                     {"step/gradient_norm", figures.gradient_norm}});
}

void Recorder::on_epoch(const EpochFigures& figures) {
  std::vector<Scalar> scalars{{"epoch/train_loss", figures.train_loss},
                              {"epoch/train_acc", figures.train_accuracy},
                              {"epoch/val_loss", figures.val_loss},
                              {"epoch/val_acc", figures.val_accuracy},
                              {"epoch/lr", figures.learning_rate},
                              {"epoch/clamped_fraction", figures.clamped_fraction}};
  // A figure without a value is no point of the curve.
  if (figures.auc) scalars.push_back({"epoch/val_auc", *figures.auc});
  if (figures.rejection_at_30) scalars.push_back({"epoch/val_1_eB_0.3", *figures.rejection_at_30});
  if (figures.rejection_at_50) scalars.push_back({"epoch/val_1_eB_0.5", *figures.rejection_at_50});
  add(figures.step, scalars);
}

Output open_output(const Arguments& arguments, std::int64_t rank) {
  if (rank != 0) return {};
  const bool live = on_terminal() && !arguments.quiet;
  if (live) set_least_level(Level::kInfo);
  if (arguments.quiet) set_least_level(Level::kResult);
  if (arguments.verbose) set_least_level(Level::kDetail);
  return {.log = {print}, .recorder = std::make_unique<Recorder>(live)};
}

}  // namespace lorentznet
