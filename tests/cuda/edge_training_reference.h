#pragma once

#include <functional>
#include <vector>

#include "edge_reference.h"

namespace lorentznet::cuda {

/// A layer's edge part in training: parameters, and the batch norm's scale and shift. Drawn numbers
/// are floats.
struct EdgeTrainingLayer {
  EdgeTrainingLayer(int hidden, bool moves, unsigned seed);

  int hidden;
  bool moves;
  std::vector<double> uv;  ///< [H, 2H + 2] phi_e.0: its last two columns are u and v
  std::vector<double> scale, shift, edge_out, edge_out_bias, gate, gate_bias, move_in, move_in_bias,
      move_out;
};

/// What the edge part gives of a batch, by its formulas, in double; pairs as in KeptPairs.
struct EdgeTrainingValues {
  std::vector<double> message, translation, phi;
  std::vector<bool> clamped;  ///< pairs of which a component of the translation is
  // backward
  std::vector<double> q_row, q_column, p_s, p_t, s_q, t_q, x;
  std::vector<double> edge_out, edge_out_bias, gate, gate_bias, move_in, move_in_bias, move_out;
};

/// What a format makes of the operands of products: of one of them, and of one that has the bits
/// twice. Nothing: the definition.
struct Rounding {
  std::function<double(double)> once = [](double x) { return x; }, twice = once;
};
template <typename Op>
Rounding rounding_of() {
  return {[](double x) { return Op::low(Op::pack(static_cast<float>(x), 0.0F)); },
          [](double x) {
            const auto both = Op::split(static_cast<float>(x));
            return Op::low(both) + Op::high(both);
          }};
}

/// \param message_gradient [P, H] \param translation_gradient [P, 4]
EdgeTrainingValues edge_training_reference(const EdgeTrainingLayer& layer, const JetsOfSizes& jets,
                                           const std::vector<double>& message_gradient,
                                           const std::vector<double>& translation_gradient,
                                           const Rounding& rounding = {});

}  // namespace lorentznet::cuda
