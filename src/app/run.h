#pragma once

#include "app/arguments.h"
#include "app/experiment.h"
#include "app/output.h"
#include "app/plan.h"
#include "parallel/processes.h"

namespace lorentznet {

/// A run, when its data are read and its network is planned.
struct Run {
  const Experiment& experiment;
  const DataSplits& data;
  const Plan& plan;
  Processes& processes;
  const Output& output;

  const Communicator& ranks() const { return *processes.communicator(); }
  bool leads() const { return ranks().rank() == 0; }
};

/// Trains and tests as the arguments say, together with the other processes of the run. Rank 0
/// alone prints and writes.
/// \return the exit status: 0, or 128 + the number of the signal that stopped the training
int run(const Task& task, const Arguments& given, Processes& processes);

}  // namespace lorentznet
