#pragma once

#include <torch/nn/module.h>
#include <torch/nn/modules/container/modulelist.h>
#include <torch/nn/modules/dropout.h>
#include <torch/nn/modules/linear.h>
#include <torch/nn/pimpl.h>

#include <array>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "lorentznet/batch.h"
#include "lorentznet/checkpoint.h"
#include "lorentznet/communicator.h"
#include "lorentznet/isa.h"

namespace lorentznet {

/// How the GPU's kernels round the operands of products.
enum class GpuPrecision {
  kFloat,  ///< two numbers of 16 bits for each: as accurate as float
  kHalf,   ///< one: f16 in inference, bf16 in training
};

// Internal (src/kernels, src/model).
class JetGraph;
struct LGEBKernels;
struct LGEBState;
class FusedInference;
class GpuTraining;

/// Type of the coordinates x, the Minkowski products and the translations.
enum class Coordinates {
  kDouble,   ///< from the file to the last layer: E^2 - p^2 cancels
  kNetwork,  ///< the network's own type, as in the Python program
};
inline constexpr std::array<std::string_view, 2> kCoordinatesNames{"double", "float"};

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
  /// \throws InputError naming what of the batch does not fit the network: a tensor's shape, type
  /// or
  ///         device, a jet without nodes, an n_nodes that is not positive (not checked on a GPU)
  at::Tensor forward(const Batch& batch);
  /// The same with other kernels than the network's own, for studies.
  at::Tensor forward(const Batch& batch, const LGEBKernels& kernels);

  /// The state of `batch` after the embedding and after each LGEB.
  std::vector<LGEBState> states(const Batch& batch, const JetGraph& graph,
                                const LGEBKernels& kernels);

  /// Converts the network to float or double. (Module::to would also convert the integer counters
  /// of batches.)
  void set_type(at::ScalarType type);

  /// A new network has the plain kernel.
  void use_plain_kernel();
  /// \throws c10::Error if the fused kernel cannot compute this network: coordinates in float, a
  ///         GPU, more than 256 channels
  /// \throws std::invalid_argument if this processor lacks `isa`
  void use_fused_kernel(Isa isa);
  /// On a GPU: for inference, which is without gradients, in evaluation mode, and for training
  /// mode. Elsewhere the plain kernel computes. In inference a jet's logits have the same bits in
  /// any batch, and differ from the CPU's by rounding. \throws c10::Error  with
  /// why_no_gpu_kernel(), or if the network is not on a GPU in float
  void use_gpu_kernel(GpuPrecision precision = GpuPrecision::kFloat);
  /// From now on the statistics of batch norms in training are those of the batches of all ranks,
  /// and a backward pass gives this rank's share of the gradient of the sum of the ranks' losses.
  void share_statistics(std::shared_ptr<const Communicator> ranks);
  /// "plain", "fused avx512", "fused CUDA", ...
  const std::string& kernel_name() const { return kernel_name_; }

  const LorentzNetOptions& options() const { return options_; }
  /// Number of trainable parameters.
  std::int64_t num_parameters() const;

 private:
  at::Tensor pool(const at::Tensor& h, const Batch& batch, const JetGraph& graph) const;
  at::Tensor decode(const at::Tensor& pooled, const LGEBKernels& kernels);
  void make_kernels();

  LorentzNetOptions options_;
  std::shared_ptr<const Communicator> ranks_ = single_process();
  std::optional<Isa> fused_;  ///< instruction set of the fused kernel; none: the plain one
  std::shared_ptr<const LGEBKernels> kernels_;
  std::shared_ptr<FusedInference> inference_;  ///< with the fused kernel; null with the plain one
  std::shared_ptr<const GpuTraining> gpu_training_;  ///< with the GPU's kernels; else null
  std::string kernel_name_ = "plain";
  torch::nn::Linear embedding_{nullptr};
  torch::nn::ModuleList blocks_;
  torch::nn::Linear decode_in_{nullptr}, decode_out_{nullptr};
  torch::nn::Dropout dropout_{nullptr};
};
TORCH_MODULE(LorentzNet);

/// Empty if the CUDA kernels of this build can compute such a network; else why not.
std::string why_no_gpu_kernel(const LorentzNetOptions& options);

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
