#pragma once

#include <torch/nn/module.h>
#include <torch/nn/modules/container/modulelist.h>
#include <torch/nn/modules/dropout.h>
#include <torch/nn/modules/linear.h>
#include <torch/nn/pimpl.h>

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "lorentznet/batch.h"
#include "lorentznet/checkpoint.h"
#include "lorentznet/communicator.h"
#include "lorentznet/isa.h"

namespace lorentznet {

// How the layers are computed (src/kernels); an embedding program need not know.
class JetGraph;
struct EdgeParameters;
struct NodeParameters;
struct LGEBKernels;
class FusedInference;

struct LGEBOptions {
  std::int64_t n_hidden = 72;  ///< H
  std::int64_t n_scalar = 2;   ///< S
  double c_weight = 5e-3;      ///< weight of the coordinate update
  bool last_layer = false;     ///< the last layer leaves the coordinates: it has no phi_x
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

  /// \param state        P constituents; h may have one more row, the ghost
  /// \param scalars      [P, S], or [P+1, S]: input scalars
  /// \param graph        the batch's edges
  /// \param padded_rows  weight of the ghost row in batch norm; 0: there is none
  LGEBState forward(const LGEBState& state, const at::Tensor& scalars, const JetGraph& graph,
                    const LGEBKernels& kernels, double padded_rows);

  const EdgeParameters& edge() const { return *edge_; }
  const NodeParameters& node() const { return *node_; }

 private:
  LGEBOptions options_;
  std::shared_ptr<const EdgeParameters> edge_;
  std::shared_ptr<const NodeParameters> node_;
};
TORCH_MODULE(LGEB);

/// Type of the coordinates x, the Minkowski products and the translations.
enum class Coordinates {
  kDouble,   ///< from the file to the last layer: E^2 - p^2 cancels
  kNetwork,  ///< the network's own type, as in the Python program
};

struct LorentzNetOptions {
  std::int64_t n_scalar = 2;   ///< S, input scalars of a node
  std::int64_t n_hidden = 72;  ///< H, width of the embeddings
  std::int64_t n_class = 2;
  std::int64_t n_layers = 6;
  double c_weight = 5e-3;  ///< weight of the coordinate updates
  double dropout = 0.2;    ///< in the decoder
  Coordinates coordinates = Coordinates::kDouble;
};

/// LorentzNet (arXiv:2201.08187): embedding, LGEBs, sum over the jet, decoder. Parameters have the
/// published program's names and initialisation.
class LorentzNetImpl : public torch::nn::Module {
 public:
  explicit LorentzNetImpl(const LorentzNetOptions& options);

  /// Logits [J, n_class] of the batch's jets, in the network's type. The batch must be on the
  /// network's device.
  at::Tensor forward(const Batch& batch);
  /// The same by other kernels than the network's own: for studies.
  at::Tensor forward(const Batch& batch, const LGEBKernels& kernels);

  /// The state of `batch` after the embedding and after each LGEB, for tests and studies.
  std::vector<LGEBState> states(const Batch& batch);

  /// Makes the network one of float or double. (Module::to would also convert the counters of
  /// batches, which are integers.)
  void set_type(at::ScalarType type);

  /// The kernel of the LGEBs; a new network has the plain one.
  void use_plain_kernel();
  /// \throws c10::Error if the fused kernel cannot compute this network: coordinates in float, a
  ///         GPU, fewer than 8 or more than 256 channels
  /// \throws std::invalid_argument if this processor lacks `isa`, or bf16's dot products
  void use_fused_kernel(Isa isa, Precision precision = Precision::kFp32);
  /// From now on the batch norms' statistics in training are those of the batches of all ranks,
  /// and a backward pass gives the gradients of the sum of the ranks' losses: of the parameters,
  /// this rank's share of it.
  void share_statistics(std::shared_ptr<const Communicator> ranks);
  /// "plain", "fused avx512", "fused avx512 bf16", ...
  const std::string& kernel_name() const { return kernel_name_; }

  const LorentzNetOptions& options() const { return options_; }
  /// Number of trainable parameters.
  std::int64_t num_parameters() const;

 private:
  std::vector<LGEBState> states(const Batch& batch, const JetGraph& graph,
                                const LGEBKernels& kernels);
  at::Tensor pool(const at::Tensor& h, const Batch& batch, const JetGraph& graph) const;
  void make_kernels();

  LorentzNetOptions options_;
  std::shared_ptr<const Communicator> ranks_ = single_process();
  std::optional<Isa> fused_;  ///< instruction set of the fused kernel; none: the plain one
  std::shared_ptr<const LGEBKernels> kernels_;
  std::shared_ptr<FusedInference> inference_;  ///< with the fused kernel; null with the plain one
  std::string kernel_name_ = "plain";
  torch::nn::Linear embedding_{nullptr};
  torch::nn::ModuleList blocks_;
  torch::nn::Linear decode_in_{nullptr}, decode_out_{nullptr};
  torch::nn::Dropout dropout_{nullptr};
};
TORCH_MODULE(LorentzNet);

/// Parameters and running statistics of `model` under the published names. On the CPU the arrays
/// share the model's memory.
StateDict model_state(LorentzNetImpl& model);

/// Copies `state` into `model`, converting between float and double.
///
/// \param file  where the state came from, for messages
/// \throws InputError naming the tensor if one is missing, left over, of another shape or not
///         finite; the model is then unchanged. A checkpoint of the other task is reported as such.
void load_model_state(LorentzNetImpl& model, const StateDict& state,
                      const std::filesystem::path& file);

}  // namespace lorentznet
