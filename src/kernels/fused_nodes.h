#pragma once

#include "kernels/fused_linear.h"
#include "kernels/fused_norm.h"
#include "kernels/groups.h"

namespace lorentznet {

/// Order of the tensors that the node part takes.
enum NodeArgument : std::size_t {
  kNodeH,        ///< [P, H] or [P+1, H]
  kNodeMessage,  ///< [P, H]
  kNodeScalars,  ///< [P, S] or [P+1, S]
  kNodeIn,
  kNodeInBias,
  kNodeGamma,
  kNodeBeta,
  kNodeOut,
  kNodeOutBias,
  kNumNodeArguments
};

/// A batch's node part in one layer. Rows are worked on in groups that depend on their number
/// alone; sums are added in the groups' order, so that they have the same bits for any number of
/// threads.
template <typename T>
class FusedNodes {
 public:
  /// \param ghost_weight  of the last row in batch norm; 0: it is a row like the others
  FusedNodes(const fused::Engine<T>& engine, std::vector<at::Tensor> arguments,
             double ghost_weight);

  /// The new embeddings. \param most_kept  bytes that may be kept for the backward pass, which
  /// else computes them again
  at::Tensor forward(torch::nn::BatchNorm1dImpl& norm, std::int64_t most_kept,
                     const std::shared_ptr<const Communicator>& ranks);
  /// Gradients of the arguments, in their order; none of the scalars.
  std::vector<at::Tensor> backward(const std::vector<at::Tensor>& gradients) const;

 private:
  struct Group : RowGroup {
    bool ghost;  ///< the ghost row alone
    double weight;
  };
  struct Sums;
  struct Gradients {
    at::Tensor h, message;
  };

  fused::RowPieces<const T> inputs(const Group& group) const;
  at::Tensor statistics(const at::Tensor& z) const;
  /// phi_h.0 of all rows.
  at::Tensor hidden() const;
  fused::NormValues norm_values() const;
  void backward_out(const Group& group, std::int64_t number, const at::Tensor& z,
                    const at::Tensor& gradient, const at::Tensor& r, Sums& sums) const;
  void backward_in(const Group& group, std::int64_t number, const at::Tensor& z,
                   const at::Tensor& norm_sums, const at::Tensor& r, const Gradients& to,
                   Sums& sums) const;

  const fused::Engine<T>& engine_;
  std::vector<at::Tensor> arguments_;
  std::int64_t rows_, hidden_;
  std::vector<Group> groups_;
  at::Tensor no_message_;  ///< [H] zero, the ghost's
  PackedLinearTensor<T> in_, out_;
  FusedNorm norm_;
  at::Tensor z_;      ///< [rows, H] phi_h.0 of all rows, if it is kept
  double count_ = 0;  ///< rows of this rank in the statistics
};

}  // namespace lorentznet
