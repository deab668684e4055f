#pragma once

#include <torch/nn/module.h>
#include <torch/nn/pimpl.h>

#include <cstdint>

#include "kernels/kernel.h"

namespace lorentznet {

struct LGEBOptions {
  std::int64_t n_hidden = 72;  ///< H
  std::int64_t n_scalar = 2;   ///< S
  double c_weight = 5e-3;      ///< weight of the coordinate update
  bool last_layer = false;     ///< the last layer has no phi_x and leaves the coordinates
};

/// State of a batch between layers.
struct LGEBState {
  at::Tensor h;  ///< [P, H] embeddings; [P+1, H] with the ghost row last
  at::Tensor x;  ///< [P, 4] coordinates
};

/// Lorentz group equivariant block (arXiv:2201.08187, section 3).
///
///   m_ij = phi_e(h_i, h_j, psi(|x_i-x_j|^2), psi(<x_i,x_j>)), weighted by its gate sigmoid(phi_m)
///   x_i += c_weight / max(1, n-1) sum_j clamp((x_i - x_j) phi_x(m_ij), -100, 100)
///   h_i += phi_h(h_i, sum_j m_ij, s_i)
class LGEBImpl : public torch::nn::Module {
 public:
  explicit LGEBImpl(const LGEBOptions& options);

  /// \param state        of P nodes; h may have one more row, the ghost
  /// \param scalars      [P, S], or [P+1, S]: input scalars
  /// \param graph        the batch's edges
  /// \param padded_rows  weight of the ghost row in batch norm; 0: there is no ghost
  LGEBState forward(const LGEBState& state, const at::Tensor& scalars, const JetGraph& graph,
                    const LGEBKernels& kernels, double padded_rows);

 private:
  LGEBOptions options_;
  EdgeParameters edge_;
  NodeParameters node_;
};
TORCH_MODULE(LGEB);

}  // namespace lorentznet
