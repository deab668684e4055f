#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <vector>

#include "console/live_line.h"
#include "lorentznet/records.h"
#include "report/event_file.h"

namespace lorentznet {

/// What a user sees of a run while it runs: the live line of a terminal, TensorBoard's events.
class Recorder : public Observer {
 public:
  /// \param live  whether to draw a live line
  explicit Recorder(bool live) : live_(live) {}

  /// Begins an event file. \param resumed_at  the step that a training goes on from
  void record_to(const std::filesystem::path& folder, std::optional<std::int64_t> resumed_at);

  void on_batch(const PassProgress& progress) override;
  void on_step(const StepFigures& figures) override;
  void on_epoch(const EpochFigures& figures) override;

 private:
  /// An event file that can't be written ends no run: a line says so, and it gets no more.
  void add(std::int64_t step, const std::vector<Scalar>& scalars);

  bool live_;
  LiveLine line_;
  std::optional<EventFile> events_;
};

}  // namespace lorentznet
