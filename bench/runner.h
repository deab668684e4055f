#pragma once

#include <torch/optim/adamw.h>

#include <string>

#include "bench/workload.h"

namespace lorentznet::bench {

/// A network that scores batches, or trains on them, with one kernel.
class Runner {
 public:
  /// \throws c10::Error if the network can't have the kernel
  Runner(const Workload& workload, const KernelChoice& choice, Mode mode);

  /// Logits of the batch, or one step of AdamW on it as Trainer does it.
  void run(const Batch& batch);

  LorentzNet& network() { return network_; }

 private:
  void train_on(const Batch& batch);

  const JetSet& jets_;
  Mode mode_;
  LorentzNet network_;
  torch::optim::AdamW optimizer_;
};

/// Why the workload can't be run with `choice`, in one line; empty if it can. Tries it on few jets.
std::string reason_against(const Workload& workload, const KernelChoice& choice, Mode mode);

/// What() up to the line break: behind it c10::Error has a backtrace.
std::string first_line(const std::exception& error);

}  // namespace lorentznet::bench
