#include "app/pooling_choice.h"

#include <fmt/format.h>

#include <algorithm>

#include "data/nodes.h"
#include "lorentznet/error.h"

namespace lorentznet {
namespace {

AnnouncedRule constant_rule(std::int64_t n_nodes, const std::string& why) {
  return {.rule = {.pooling = Pooling::kConstant, .n_nodes = n_nodes},
          .announcement = fmt::format("n_nodes: {} ({})", n_nodes, why)};
}

AnnouncedRule batch_rule() {
  return {.rule = {.pooling = Pooling::kBatch},
          .announcement = "n_nodes: of the batch (scores depend on --batch_size)"};
}

AnnouncedRule jet_rule() {
  return {.rule = {.pooling = Pooling::kJet}, .announcement = "n_nodes: of the jet"};
}

std::string pooling_of(const Arguments& arguments, const Task& task) {
  if (arguments.n_nodes > 0) return "constant";
  if (!arguments.pooling.empty()) return arguments.pooling;
  return task.pools_over_batch ? "batch" : "constant";
}

/// Nodes of the widest jet.
std::int64_t widest_jet(const Task& task, const DataSplits& data) {
  std::int64_t widest = 0;
  for (const auto* set : {&data.train, &data.val, &data.test}) {
    for (std::int64_t jet = 0; jet < set->num_jets(); ++jet) {
      widest = std::max(widest, num_nodes(*set, jet, task));
    }
  }
  return widest;
}

}  // namespace

AnnouncedRule training_rule(Arguments& arguments, const Task& task, const DataSplits& data) {
  const auto given = arguments.n_nodes;
  arguments.pooling = pooling_of(arguments, task);
  if (arguments.pooling == "batch") return batch_rule();
  if (arguments.pooling == "jet") return jet_rule();
  if (given == 0) {
    arguments.n_nodes = widest_jet(task, data);
    return constant_rule(arguments.n_nodes, "the widest jet of the data");
  }
  for (std::int64_t jet = 0; jet < data.train.num_jets(); ++jet) {
    check_fits(data.train, jet, task, given);
  }
  return constant_rule(given, "by --n_nodes or args.json");
}

AnnouncedRule testing_rule(const Arguments& arguments, const Task& task) {
  const auto pooling = pooling_of(arguments, task);
  if (pooling == "batch") return batch_rule();
  if (pooling == "jet") return jet_rule();
  if (arguments.n_nodes > 0) {
    return constant_rule(arguments.n_nodes, arguments.given.contains("n_nodes")
                                                ? "by --n_nodes"
                                                : "of the experiment's args.json");
  }
  if (task.published_n_nodes == 0) throw InputError("--pooling constant needs --n_nodes");
  return constant_rule(task.published_n_nodes, "the published checkpoint's");
}

}  // namespace lorentznet
