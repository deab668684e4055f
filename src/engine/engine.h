#pragma once

#include <cstdint>

#include "engine/packed_layer.h"

namespace lorentznet::fused {

// What the instruction sets' translation units offer to the others, jet by jet: plain pointers,
// since nothing with inline functions may stand on both sides. T is the network's type.

/// Translations (x_i - x_j) phi_x(m_ij) are clamped to this [GeV], as in the published program.
inline constexpr double kTranslationBound = 100;

/// Widths H of the networks that an engine computes: its products have blocks of outputs, of which
/// a narrower one has too few, and no wider one was tested.
inline constexpr int kNarrowestNetwork = 8, kWidestNetwork = 256;

/// A jet's input. All arrays are rows: one constituent after the other.
template <typename T>
struct JetInput {
  int n;            ///< constituents
  const T* a_b;     ///< [n, 2H] a_i and b_i: z_ij = a_i + b_j + u s_ij + v t_ij
  const double* x;  ///< [n, 4] coordinates
};

/// Batch norm as the kernel uses it: y = z scale + shift.
template <typename T>
struct Normalisation {
  const T *scale, *shift;  ///< [H]
};

/// zhat = (z - mean) inverse_sigma.
struct NormValues {
  const double *mean, *inverse_sigma;  ///< [H]
};

/// What the forward pass gives of a jet.
template <typename T>
struct JetForward {
  T* message;           ///< [n, H] sum_j m_ij
  double* translation;  ///< [n, 4]; null in the last layer
  T* phi;               ///< [pairs] phi_x(m_ij), for the backward pass
  std::int32_t* signs;  ///< [signs] for the backward pass; null: not kept
};

/// Sums over a jet's edges, for the statistics of batch norm: 2H doubles, sum z and sum z^2.
/// Added to.
struct JetStatistics {
  double *z, *z2;  ///< [H]
};

/// What the backward pass over the edges takes and gives; q is dL/d(output of the batch norm).
template <typename T>
struct JetBackward {
  const T* message_gradient;           ///< [n, H]
  const double* translation_gradient;  ///< [n, 4]; null in the last layer
  const T* phi;                        ///< as JetForward::phi
  const std::int32_t* signs;           ///< as JetForward::signs; null: computed again
  T *receivers, *senders;              ///< [n, H] sum_j q_ij, sum_i q_ij
  T *s, *t;                            ///< [pairs] sum_c scale u q_ij, sum_c scale v q_ij
};

/// Gradients of a layer's parameters and sums over edges, of some jets. Added to.
template <typename T>
struct LayerGradients {
  T *edge_out, *edge_out_bias, *gate, *gate_bias;
  T *move_in, *move_in_bias, *move_out;
  double* norm_output;  ///< [H] sum q
  double* norm_z;       ///< [H] sum q (a_i + b_j + u s + v t)
  double *s_q, *t_q;    ///< [H] sum s q, sum t q
  double *s_z, *t_z;    ///< [H] sum s (z - u s - v t), sum t (...)
  double* products;     ///< [5] sum s, t, s^2, t^2, s t
};

/// dL/dz_ij = scale (q_ij - mean - slope (z_ij - z_mean)): what batch norm in training mode makes
/// of q; mean and slope are zero where statistics are frozen.
template <typename T>
struct NormGradient {
  const double *mean, *slope, *z_mean;  ///< [H]
};

/// dL/d(inputs of a jet). Overwritten.
template <typename T>
struct InputGradients {
  T* a_b;     ///< [n, 2H]
  double* x;  ///< [n, 4]
};

/// Rows that stand side by side: a row's inputs are those of all pieces. Width 0: none.
template <typename T>
struct RowPieces {
  struct Piece {
    T* rows;  ///< [n, width]
    int width;
  };
  Piece of[3];
};

/// A Linear as the products read it.
template <typename T>
struct PackedLinear {
  int inputs, outputs;
  T *forward, *transposed;  ///< [outputs * inputs] elements each
  const T* bias;            ///< [outputs] or null
};

/// The node part of a layer in inference: batch norms are part of the weights.
template <typename T>
struct PackedNodes {
  T *project, *project_bias;  ///< product of [2H, H]: a_i and b_i of the edges; [2H]
  T *in, *in_bias;            ///< product of [H, 2H+S]; [H]
  T *out, *out_bias;          ///< product of [H, H]; [H]
};

/// A network in inference.
template <typename T>
struct PackedNetwork {
  int hidden, scalars, classes, layers;
  double c_weight;
  T *embedding, *embedding_bias;          ///< product of [H, S]; [H]
  const T *decode_in, *decode_in_bias;    ///< [H, H], [H] as in the state dict
  const T *decode_out, *decode_out_bias;  ///< [classes, H], [classes]
  const PackedLayer<T>* edges;            ///< [layers]
  const PackedNodes<T>* nodes;            ///< [layers]
};

/// A jet as the network takes it.
template <typename T>
struct JetNodes {
  int n;
  const double* x;   ///< [n, 4] four-momenta
  const T* scalars;  ///< [n, S]
  T n_nodes;         ///< divisor of the pooled embedding
};

/// Inference for one instruction set; thread-safe.
template <typename T>
class InferenceEngine {
 public:
  virtual ~InferenceEngine() = default;

  /// Fills `packed`, whose arrays are laid out.
  virtual void pack(const LayerParameters<T>& parameters, PackedLayer<T>& packed) const = 0;
  /// A product's weights. \param weight [outputs, inputs]
  virtual void pack_product(const T* weight, int outputs, int inputs, T* packed) const = 0;
  /// Those of a product that is of bfloat16 where the engine is.
  virtual void pack_dot(const T* weight, int outputs, int inputs, T* packed) const = 0;
  /// The logits of a jet.
  virtual void infer(const PackedNetwork<T>& network, const JetNodes<T>& jet, T* logits) const = 0;
};

/// The fused kernel for one instruction set; thread-safe.
template <typename T>
class Engine : public InferenceEngine<T> {
 public:
  /// Elements of JetForward::phi, or of the pair arrays of JetBackward, of a jet.
  virtual long pairs(int n) const = 0;
  /// Elements of JetForward::signs.
  virtual long signs(int n, int hidden) const = 0;

  virtual void statistics(const LayerParameters<T>& parameters, const JetInput<T>& jet,
                          const JetStatistics& sums) const = 0;
  virtual void forward(const PackedLayer<T>& layer, const Normalisation<T>& norm,
                       const JetInput<T>& jet, const JetForward<T>& out) const = 0;
  /// First half of the backward pass: over the edges.
  virtual void backward_edges(const LayerParameters<T>& parameters, const PackedLayer<T>& layer,
                              const Normalisation<T>& norm, const JetInput<T>& jet,
                              const JetBackward<T>& arrays,
                              const LayerGradients<T>& gradients) const = 0;
  /// Second half, when the sums over all jets are known: nodes and pairs only.
  virtual void backward_nodes(const LayerParameters<T>& parameters, const NormGradient<T>& norm,
                              const JetInput<T>& jet, const JetBackward<T>& arrays,
                              const InputGradients<T>& out) const = 0;

  /// Fills layer.forward and layer.transposed. \param weight [outputs, inputs]
  virtual void pack_linear(const T* weight, const PackedLinear<T>& layer) const = 0;
  /// out [n, outputs] = in weight^T + bias
  virtual void linear(const PackedLinear<T>& layer, int n, const RowPieces<const T>& in,
                      T* out) const = 0;
  /// \param in_gradient  overwritten; a piece that is null is not asked for
  /// \param weight       [outputs, inputs] added to
  virtual void linear_backward(const PackedLinear<T>& layer, int n, const RowPieces<const T>& in,
                               const T* out_gradient, const RowPieces<T>& in_gradient,
                               T* weight) const = 0;
  /// out [n, width] = relu(z scale + shift)
  virtual void normalise(const Normalisation<T>& norm, int n, int width, const T* z,
                         T* out) const = 0;
  /// gradient [n, width] = r = y > 0 ? gradient : 0, y = normalise(z).
  /// \param sums [2, width] added to: sum r, sum r zhat
  virtual void relu_backward(const NormValues& norm, int n, int width, const T* z, const T* y,
                             T* gradient, double* sums) const = 0;
  /// gradient [n, width] = scale (gradient - means[0] - means[1] zhat): from a batch norm's output
  /// to its input. \param means [2, width] \param bias [width] added to: sum of it
  virtual void norm_backward(const NormValues& norm, const T* scale, const double* means, int n,
                             int width, const T* z, T* gradient, double* bias) const = 0;
  /// sums [width] += sum of rows [n, width]
  virtual void add_rows(int n, int width, const T* rows, double* sums) const = 0;
};

const Engine<float>& avx512_engine();
const InferenceEngine<float>& avx512_bf16_engine();  ///< products over edges of bfloat16
const Engine<float>& avx2_engine();
const Engine<float>& portable_engine();
const Engine<double>& portable_engine_of_double();

}  // namespace lorentznet::fused
