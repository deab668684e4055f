#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <vector>

#include "app/arguments.h"
#include "console/live_line.h"
#include "lorentznet/records.h"
#include "report/event_file.h"

namespace lorentznet {

/// Shows a run while it computes: the live line of a terminal, events for TensorBoard.
class Recorder : public Observer {
 public:
  /// \param live  whether to draw a live line
  explicit Recorder(bool live) : live_(live) {}

  /// Begins an event file. \param resumed_at  the step from which a training continues
  void record_to(const std::filesystem::path& folder, std::optional<std::int64_t> resumed_at);

  void on_batch(const PassProgress& progress) override;
  void on_step(const StepFigures& figures) override;
  void on_epoch(const EpochFigures& figures) override;

 private:
  /// If the event file can't be written, a line says so, and the run continues without it.
  void add(std::int64_t step, const std::vector<Scalar>& scalars);

  bool live_;
  LiveLine line_;
  std::optional<EventFile> events_;
};

/// What this process shows of the run: rank 0 everything, the others nothing.
struct Output {
  Log log;                             ///< drops all lines on other ranks
  std::unique_ptr<Recorder> recorder;  ///< null on other ranks
};

Output open_output(const Arguments& arguments, std::int64_t rank);

}  // namespace lorentznet
