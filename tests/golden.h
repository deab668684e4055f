#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "io/npz.h"
#include "kernels/kernel.h"
#include "lorentznet/batch.h"
#include "lorentznet/lorentznet.h"
#include "model/model_state.h"

namespace lorentznet::test {

/// A file of golden values: arrays that the Python program computed in float64.
class Golden {
 public:
  explicit Golden(const std::filesystem::path& file);

  bool is_top() const { return reader_.has("towers"); }
  const Task& task() const { return is_top() ? top_tagging() : quark_gluon_tagging(); }
  bool has(const std::string& name) const { return reader_.has(name); }
  /// The array as a double tensor.
  at::Tensor tensor(const std::string& name) const;
  /// The tensors named `prefix`NAME, as NAME.
  NamedTensors state(const std::string& prefix) const;
  /// The file's jets, decoded as the data readers decode such rows.
  JetSet jets() const;
  /// The width of the padded layout, by which the Python program divides.
  std::int64_t n_nodes() const { return reader_.header("mask").shape.at(1); }
  /// Places of the nodes of all jets, laid end to end, in the flattened [jets * width] layout.
  at::Tensor node_rows() const;

 private:
  NpzReader reader_;
};

/// The jets of `file`, all in one batch, padded to the file's width.
Batch golden_batch(const Golden& golden);

/// The network with which the file's training begins, in double.
LorentzNet initial_model(const Golden& golden, const std::filesystem::path& file);
/// Whether a parameter's gradient is zero up to rounding because a batch norm follows.
bool stands_before_batch_norm(const std::string& name);
/// CHECKs logits, loss and gradients of the file's first training step in a float network, on
/// whatever device, whose kernels round operands to 16 bits.
void check_float_step(LorentzNet& model, const Golden& golden);

/// A device and a kernel: fused for an instruction set or for GPUs, or plain.
struct Engine {
  at::Device device = at::kCPU;
  std::optional<Isa> fused;
  bool fused_on_gpu = false;  ///< in inference
};

/// All that can compute a network of `type` on this processor.
std::vector<Engine> cpu_engines(at::ScalarType type);
/// The first GPU; empty if there is none or the build is for CPUs.
std::vector<Engine> gpu_engines();
/// The same with the kernels that only infer, in float.
std::vector<Engine> gpu_inference_engines();
LGEBKernels kernels_of(const Engine& engine);
/// \return its name, for messages
std::string use_engine(LorentzNet& network, const Engine& engine);

/// Largest |a - b|. NaN, with which no comparison holds, if a difference is not finite.
double max_difference(const at::Tensor& a, const at::Tensor& b);

/// Root of the mean square of the differences, in units of that of what is expected.
double relative_rms(const at::Tensor& found, const at::Tensor& expected);

/// max |a - b| <= tolerance * max |b|.
bool agree(const at::Tensor& a, const at::Tensor& b, double tolerance);

}  // namespace lorentznet::test
