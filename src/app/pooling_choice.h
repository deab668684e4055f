#pragma once

#include <string>

#include "app/arguments.h"
#include "lorentznet/batch.h"

namespace lorentznet {

/// How jets are pooled, and the line that says so.
struct AnnouncedRule {
  PoolingRule rule;
  std::string announcement;
};

/// For a training on `data`; puts what was decided into `arguments`, for args.json.
AnnouncedRule training_rule(Arguments& arguments, const Task& task, const DataSplits& data);
AnnouncedRule testing_rule(const Arguments& arguments, const Task& task);

}  // namespace lorentznet
