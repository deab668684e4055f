#include "sample.h"

#include <torch/utils.h>

#include "lorentznet/readers.h"
#include "train/loader.h"

namespace lorentznet::test {

JetSet sample_jets(const Task& task, std::int64_t count) {
  const std::filesystem::path data = std::filesystem::path(LORENTZNET_SOURCE_DIR) / "data";
  if (task.name == "top") return read_jets(data / "top" / "train.h5", count);
  return read_quark_gluon_jets(data / "qg" / "datasets" / "QG_jets.npz", count);
}

LorentzNet small_network(const Task& task, double dropout) {
  torch::manual_seed(1);
  LorentzNet model(LorentzNetOptions{.n_scalar = task.n_scalar,
                                     .n_hidden = 12,
                                     .n_layers = 3,
                                     .c_weight = task.c_weight,
                                     .dropout = dropout});
  model->set_type(at::kDouble);
  const torch::NoGradGuard no_grad;
  for (auto& parameter : model->named_parameters()) {
    // phi_x.2 is initialised a thousand times smaller than the others.
    if (parameter.key().ends_with("phi_x.2.weight")) parameter.value().mul_(0.1 / task.c_weight);
  }
  return model;
}

Batch whole_batch(const JetSet& set, const Task& task) {
  return make_batch(set, file_order(set.num_jets()), task, {.pooling = Pooling::kJet}, false);
}

}  // namespace lorentznet::test
