#pragma once

#include <functional>

#include "kernels/fused_norm.h"
#include "kernels/packed_linear.h"

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

  /// The new embeddings.
  at::Tensor forward(torch::nn::BatchNorm1dImpl& norm);
  /// Gradients of the arguments, in their order; none of the scalars.
  std::vector<at::Tensor> backward(const std::vector<at::Tensor>& gradients) const;

 private:
  struct Group {
    std::int64_t first, count;
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
  void backward_out(const Group& group, std::int64_t number, const at::Tensor& z,
                    const at::Tensor& gradient, const at::Tensor& r, Sums& sums) const;
  void backward_in(const Group& group, std::int64_t number, const at::Tensor& z,
                   const at::Tensor& norm_sums, const at::Tensor& r, const Gradients& to,
                   Sums& sums) const;
  /// Calls f(group, its number) for every group, in several threads.
  void for_each_group(const std::function<void(const Group&, std::int64_t)>& f) const;

  const fused::Engine<T>& engine_;
  std::vector<at::Tensor> arguments_;
  std::int64_t rows_, hidden_;
  std::vector<Group> groups_;
  at::Tensor no_message_;  ///< [H] zero, the ghost's
  PackedLinearTensor<T> in_, out_;
  FusedNorm norm_;
  double count_ = 0;  ///< rows in the statistics
};

}  // namespace lorentznet
