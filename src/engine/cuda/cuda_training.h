#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

namespace lorentznet::cuda {

// Training on a GPU, from jets to logits and back, and their loss: plain pointers, without
// LibTorch. One of two sources is linked: training_kernels.cu, or no_kernels.cpp in a build without
// nvcc. Pointers are of the device unless said otherwise; everything is put into its default
// stream.

/// How the operands of products are rounded.
enum class TrainingPrecision {
  kFloat,  ///< bf16x3, two numbers of bf16 for each: 16 bits of a number
  kHalf,   ///< bf16: 8 bits
};

struct NetworkShape {
  int hidden, scalars, layers, classes;  ///< H, S, L, K
  double c_weight;                       ///< weight of the coordinate updates
  double epsilon, momentum;              ///< of batch norms
};

/// A layer's parameters (const float), or their gradients (float). H is the hidden width.
template <typename Number>
struct LayerArrays {
  Number* edge_in;                     ///< phi_e.0 [H, 2H + 2]
  Number *edge_norm, *edge_norm_bias;  ///< phi_e.1 [H]
  Number *edge_out, *edge_out_bias;    ///< phi_e.3 [H, H], [H]
  Number *gate, *gate_bias;            ///< phi_m.0 [1, H], [1]
  Number *move_in, *move_in_bias;      ///< phi_x.0 [H, H], [H]; null in the last layer
  Number* move_out;                    ///< phi_x.2 [1, H]; null in the last layer
  Number *node_in, *node_in_bias;      ///< phi_h.0 [H, 2H + S], [H]
  Number *node_norm_bias, *node_norm;  ///< phi_h.1 [H]
  Number *node_out_bias, *node_out;    ///< phi_h.3 [H], [H, H]
};
/// Of a whole network. Of gradients, node_norm_bias, node_norm and node_out_bias of a layer stand
/// one behind the other, and so do decode_out, decode_out_bias and decode_in_bias.
template <typename Number>
struct NetworkArrays {
  Number *embedding, *embedding_bias;    ///< [H, S], [H]
  Number* decode_in;                     ///< graph_dec.0 [H, H]
  Number *decode_out, *decode_out_bias;  ///< graph_dec.3 [K, H], [K]
  Number* decode_in_bias;                ///< graph_dec.0 [H]
  std::vector<LayerArrays<Number>> layers;
};

/// A batch norm's running statistics.
struct RunningStatistics {
  float *mean, *variance;  ///< [H]
  std::int64_t* batches;   ///< [1] num_batches_tracked
};
struct RunningOfLayer {
  RunningStatistics edges, nodes;
};

/// Jets end to end: J jets, N nodes, P = N rows, or N + 1 with a ghost, which stands for the padded
/// rows of the published program.
struct TrainingBatch {
  const std::vector<int>& host_offsets;  ///< [J+1] in the processor's memory
  double ghost_weight;                   ///< padded rows; 0: there is no ghost
  const double* momenta;                 ///< [N, 4]
  const double* scalars;                 ///< [N, S]
  const double* n_nodes;                 ///< [J] divisor of each jet's pooled embedding
  const float* kept;  ///< [J, H] 1, and 0 for what dropout leaves out; null: there is none
  double kept_scale;  ///< of what it keeps
};

/// What a pass needs of the world around it.
class Surroundings {
 public:
  virtual ~Surroundings() = default;
  /// Memory that lives until the next training step, at a multiple of 256.
  virtual void* allocate(std::size_t bytes) = 0;
  /// Such memory with a copy of the processor's, for which nobody waits.
  virtual void* send(const void* from, std::size_t bytes) = 0;
  virtual int ranks() const = 0;
  /// The numbers become their sums over all ranks. All of them call it, if there are several.
  virtual void sum_over_ranks(double* numbers, int count) = 0;
};

/// A forward pass and what it keeps for the backward pass. The same bits for the same batch in
/// every run.
class TrainingPass {
 public:
  virtual ~TrainingPass() = default;
  /// Once. \param logits [J, K] dL/dlogits \param gradients  overwritten
  virtual void backward(const float* logits, const NetworkArrays<float>& gradients,
                        Surroundings& surroundings) = 0;
};

/// Begins a training step. The parameters stay as they are until the backward pass has ended; the
/// running statistics move towards those of the batch, of all ranks.
/// \param logits [J, K] overwritten
/// \throws std::invalid_argument  with why_no_kernels()
/// \throws std::runtime_error     if the device has too little shared memory for jets this large
std::unique_ptr<TrainingPass> begin_training_pass(const NetworkShape& shape,
                                                  TrainingPrecision precision,
                                                  const NetworkArrays<const float>& parameters,
                                                  const std::vector<RunningOfLayer>& running,
                                                  const TrainingBatch& batch,
                                                  Surroundings& surroundings, float* logits);

/// The loss of J jets, the mean of weight * cross-entropy, and its gradient.
struct JetScores {
  int jets, classes;
  const float* logits;        ///< [J, K]
  const std::int64_t* label;  ///< [J] from 0 to K - 1
  const double* weight;       ///< [J]; null: 1 each
  /// [3] loss, sum of the weights of the jets whose largest logit is that of their label, sum of
  /// all weights; [2] without weights
  double* figures;
  float* loss;      ///< [1]
  float* spoiled;   ///< [1] 1 if `loss` is not finite, and then figures[0] is not, else 0
  float* gradient;  ///< [J, K] dL/dlogits
};
/// \throws std::invalid_argument  if this build has no CUDA kernels
void score_jets(const JetScores& scores);

}  // namespace lorentznet::cuda
