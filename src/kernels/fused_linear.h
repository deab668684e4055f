#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "kernels/packed_linear.h"
#include "kernels/row_groups.h"

namespace lorentznet {

/// Order of the tensors that a Linear takes.
enum LinearArgument : std::size_t {
  kRows,        ///< [N, inputs]
  kWeight,      ///< [outputs, inputs]
  kLinearBias,  ///< [outputs], or undefined
};

/// A Linear over rows, in groups that depend on their number alone; sums are added in the groups'
/// order, so that they have the same bits for any number of threads.
template <typename T>
class FusedLinear {
 public:
  /// \param wants_rows  backward() gives the gradient of the rows
  FusedLinear(const fused::Engine<T>& engine, std::vector<at::Tensor> arguments, bool wants_rows);

  /// [N, outputs]
  at::Tensor forward() const;
  /// Gradients of the arguments, in their order; undefined is that of an undefined bias.
  std::vector<at::Tensor> backward(const std::vector<at::Tensor>& gradients) const;

 private:
  fused::RowPieces<const T> rows_of(const RowGroup& group) const;

  const fused::Engine<T>& engine_;
  bool wants_rows_;
  std::vector<at::Tensor> arguments_;
  std::vector<RowGroup> groups_;
  PackedLinearTensor<T> linear_;
};

}  // namespace lorentznet
