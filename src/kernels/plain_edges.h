#pragma once

#include "lorentznet/edge_kernel.h"
#include "lorentznet/translation_study.h"

namespace lorentznet {

/// The edge part in tensor operations, the definition of all kernels.
/// \param ranks  whose edges batch norm's statistics in training run over
/// \param rule   what becomes of the translations
EdgeSums plain_edge_sums(const EdgeParameters& parameters, const at::Tensor& h, const at::Tensor& x,
                         const JetGraph& graph, const std::shared_ptr<const Communicator>& ranks,
                         const TranslationRule& rule);

}  // namespace lorentznet
