#pragma once

#include <cstdint>

namespace lorentznet::fused {

// What the instruction sets' translation units offer to the others, jet by jet: plain pointers,
// since nothing with inline functions may stand on both sides. T is the network's type. "Rows of H"
// are padded with zeros to row_elements(H) elements each, and aligned to kAlignment; [n, H] are
// contiguous.

/// Elements that may be read or written behind an array of values.
inline constexpr int kRowPadding = 16;

/// Translations (x_i - x_j) phi_x(m_ij) are clamped to this [GeV], as in the published program.
inline constexpr double kTranslationBound = 100;

/// The widest network H that an engine computes: no wider one was tested.
inline constexpr int kWidestNetwork = 256;

/// Parameters of an LGEB's edge part: contiguous arrays, as in the state dict.
template <typename T>
struct LayerParameters {
  int hidden;              ///< H
  const T *u, *v;          ///< [H] the last two columns of phi_e.0
  const T* scale;          ///< [H] gamma / sigma of the batch norm
  const T* edge_out;       ///< [H, H]
  const T* edge_out_bias;  ///< [H]
  const T* gate;           ///< [H]
  const T* gate_bias;      ///< [1]
  const T* move_in;        ///< [H, H]; null in the last layer, as are the next two
  const T* move_in_bias;   ///< [H]
  const T* move_out;       ///< [H]
};

/// The same as the kernel reads it: rows of H.
template <typename T>
struct PackedLayer {
  int hidden;
  bool moves;  ///< not the last layer
  T gate_bias;
  T *u, *v;  ///< times scale
  T *edge_out_bias, *gate, *move_in_bias, *move_out;
  T *edge_out, *edge_out_rows;  ///< [H] a row for each input; for each output
  T *move_in, *move_in_rows;    ///< the same; each output's row times move_out
};

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

/// What the backward pass needs of a jet's edges, sorted by receiver, then by sender. It can
/// compute it again.
template <typename T>
struct KeptEdges {
  std::uint64_t *e, *y;  ///< [edges, mask_words(H)] where e, and where phi_x.0, is not zero
  T* gate;               ///< [edges]
  T* values;             ///< the elements of e that are not zero, edge by edge; at most [edges, H],
                         ///< with room for kRowPadding more
};

/// What the forward pass gives of a jet.
template <typename T>
struct JetForward {
  T* message;           ///< [n, H] sum_j m_ij
  double* translation;  ///< [n, 4]; null in the last layer, like phi
  T* phi;               ///< [pair_elements(n)] phi_x(m_ij), for the backward pass
  KeptEdges<T> kept;    ///< null pointers: nothing is kept
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
  KeptEdges<T> kept;                   ///< null pointers: computed again
  T *receivers, *senders;              ///< [n, H] sum_j q_ij, sum_i q_ij
  T *s, *t;                            ///< [pair_elements(n)] sum_c scale u q_ij, ... v q_ij
};

/// Gradients of a layer's parameters and sums over edges, of some jets. Added to.
template <typename T>
struct LayerGradients {
  T* edge_out;  ///< [H] rows of H
  /// [H] rows of H: D_ck = sum m_c dphi [y_k > 0] with y = phi_x.0, of which the gradients of
  /// phi_x's weights are made
  T* move_in;
  T *edge_out_bias, *gate;  ///< rows of H
  T* positive;              ///< row of H: sum dphi [y_k > 0]
  T* gate_bias;             ///< [1]
  double* norm_output;      ///< [H] sum q
  double* norm_z;           ///< [H] sum q (a_i + b_j + u s + v t)
  double *s_q, *t_q;        ///< [H] sum s q, sum t q
  double *s_z, *t_z;        ///< [H] sum s (z - u s - v t), sum t (...)
  double* products;         ///< [5] sum s, t, s^2, t^2, s t
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
inline constexpr int kMostPieces = 3;
template <typename T>
struct RowPieces {
  struct Piece {
    T* rows;  ///< [n, width]
    int width;
  };
  Piece of[kMostPieces];
};

/// A Linear as the products read it.
template <typename T>
struct PackedLinear {
  int inputs, outputs;
  int widths[kMostPieces];  ///< of the pieces of a row of inputs
  T* forward;               ///< [inputs] rows of outputs: each input's weights
  T* backward;              ///< piece by piece, [outputs] rows of its width
  T* bias;                  ///< row of outputs; zero if it has none
};

/// The node part of a layer in inference: batch norms are part of the weights.
template <typename T>
struct PackedNodes {
  T *receivers, *receiver_bias;  ///< [H] rows of H: h_i to a_i; row of H
  T* senders;                    ///< [H] rows of H: h_i to b_i
  T *in, *in_bias;               ///< [2H+S] rows of H; row of H
  T *out, *out_bias;             ///< [H] rows of H; row of H
};

/// A network in inference.
template <typename T>
struct PackedNetwork {
  int hidden, scalars, classes, layers;
  double c_weight;
  T *embedding, *embedding_bias;          ///< [S] rows of H; row of H
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

/// Nodes first .. end - 1 of a jet.
struct NodeRange {
  int first, end;
};

/// Threads that share a jet.
class Team {
 public:
  virtual ~Team() = default;
  virtual int size() const = 0;
  /// Calls work(context, part) for each part below size(), at the same time, and waits for all.
  virtual void run(void (*work)(void* context, int part), void* context) const = 0;
};

/// The fused kernel for one instruction set; thread-safe.
template <typename T>
class Engine {
 public:
  virtual ~Engine() = default;

  /// The logits of a jet: the same bits for any team.
  virtual void infer(const PackedNetwork<T>& network, const JetNodes<T>& jet, const Team& team,
                     T* logits) const = 0;

  virtual void statistics(const LayerParameters<T>& parameters, const JetInput<T>& jet,
                          const JetStatistics& sums) const = 0;
  /// \return the number of kept.values
  virtual long forward(const PackedLayer<T>& layer, const Normalisation<T>& norm,
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
const Engine<float>& avx2_engine();
const Engine<float>& portable_engine();
const Engine<double>& portable_engine_of_double();

}  // namespace lorentznet::fused
