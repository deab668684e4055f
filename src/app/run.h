#pragma once

#include "app/arguments.h"
#include "app/experiment.h"
#include "app/output.h"
#include "app/plan.h"
#include "app/provenance.h"
#include "parallel/processes.h"

namespace lorentznet {

/// A run, when its data are read and its network is planned.
struct Run {
  const Experiment& experiment;
  const DataSplits& data;
  const Plan& plan;
  Processes& processes;
  const Output& output;
  const Json& description;  ///< on rank 0: describe_run()

  const Communicator& ranks() const { return *processes.communicator(); }
  bool leads() const { return ranks().rank() == 0; }
};

/// Trains and tests as the arguments say, together with the other processes of the run. Rank 0
/// alone prints and writes.
/// \return the exit status: 0, or 128 + the number of the signal that stopped the training
int run(const Task& task, const Arguments& given, Processes& processes);

// Its steps, in training_run.cpp and test_run.cpp.

/// How a training ended.
struct TrainingEnd {
  int signal = 0;  ///< the number of the signal that stopped it; 0: it was finished
  Json record;     ///< contents of train-result.json
};

/// Trains the network, which then has the weights of the best epoch. Collective.
TrainingEnd run_training(const Run& run, LorentzNet& network);

/// With --report, before hours of work: whether scripts/report.py is there and finds matplotlib.
/// \throws InputError naming what is missing
void check_report_script();

/// Scores the test jets, then again in each boosted frame that the arguments name, and writes the
/// results to the experiment's folder, or to --out. Collective; rank 0 alone writes.
/// \param training  contents of train-result.json, which test-result.json repeats
/// \throws std::system_error naming the file that can't be written
void run_test(const Run& run, LorentzNet& network, const Json& training);

}  // namespace lorentznet
