#include "lorentznet/translation_study.h"

#include "kernels/plain_edges.h"

namespace lorentznet {

EdgeSums TranslationStudyKernel::forward(const EdgeParameters& parameters, const at::Tensor& h,
                                         const at::Tensor& x, const JetGraph& graph) const {
  return plain_edge_sums(parameters, h, x, graph, single_process(), rule_);
}

}  // namespace lorentznet
