#pragma once

#include <memory>

#include "app/arguments.h"
#include "lorentznet/evaluate.h"
#include "lorentznet/trainer.h"

namespace lorentznet {

/// A network under test, and who hears of it.
struct TestSubject {
  LorentzNet model;
  const Task& task;
  const PoolingRule& rule;
  std::shared_ptr<const Communicator> ranks;
  Observer* observer;  ///< of rank 0; nullptr on the others
  const Log& print;
};

/// Scores `jets`, then again in each boosted frame that the arguments name, and writes what they
/// ask for into `folder`. Rank 0 alone writes.
/// \throws std::runtime_error naming the file that can't be written
void run_test(TestSubject subject, const JetSet& jets, const Arguments& arguments,
              const RunFolder& folder);

}  // namespace lorentznet
