#pragma once

#include "engine/edge_forward.h"
#include "engine/engine.h"
#include "engine/linear_rows.h"
#include "engine/pairs.h"

namespace lorentznet::fused {

/// Inference of one jet, from the input to the logits. Nodes stay in blocks of lanes all the way:
/// [block][row][kLanes], the rows being h (H), sum_j m_ij (H) and the scalars (S), which phi_h.0
/// takes as they stand.
template <typename Simd>
class JetInference {
 public:
  using T = typename Simd::Scalar;
  using V = Vector<Simd>;
  static constexpr int N = Simd::kLanes;

  JetInference(const PackedNetwork<T>& network, const JetNodes<T>& jet)
      : network_(network),
        jet_(jet),
        shape_(jet.n),
        hidden_(network.hidden),
        rows_(2 * network.hidden + network.scalars),
        block_(static_cast<long>(rows_) * N),
        nodes_(shape_.blocks * block_),
        a_(static_cast<long>(shape_.blocks) * hidden_ * N),
        b_(static_cast<long>(shape_.blocks + 1) * hidden_ * N),
        message_(static_cast<long>(shape_.blocks) * hidden_ * N),
        s_(static_cast<long>(shape_.n) * shape_.padded),
        t_(static_cast<long>(shape_.n) * shape_.padded),
        phi_(static_cast<long>(shape_.n) * shape_.padded),
        joined_(Simd::Dot::kChannels == 1 ? 0 : kTileRow<Simd> * ((rows_ + 1L) / 2), Unset{}),
        x_(4L * shape_.n),
        translation_(4L * shape_.n) {}

  void run(T* logits) {
    for (int k = 0; k < 4 * shape_.n; ++k) x_[k] = jet_.x[k];
    embed();
    for (int layer = 0; layer < network_.layers; ++layer) {
      edges(network_.edges[layer], network_.nodes[layer]);
      update_nodes(network_.nodes[layer]);
    }
    decode(logits);
  }

 private:
  T* row(int block, int channel) { return nodes_.get() + block * block_ + channel * N; }

  /// finish(block, k, sums): products of type Dot of `channels` rows from `in` on, in every block.
  template <typename Dot, typename F>
  void multiply(const T* in, long block_step, int channels, const T* packed, int outputs,
                F finish) {
    const OutputBlocks groups(shape_.blocks, kEdgeVectors);
    for (int group = 0, first = 0; group < groups.count; ++group) {
      const int size = groups.size + (group < groups.larger ? 1 : 0);
      with_vectors(size, [&]<int R>(std::integral_constant<int, R>) {
        const Inputs<Simd> inputs{in + first * block_step, N, static_cast<int>(block_step),
                                  channels};
        product<Dot, R>(
            dot_inputs<Simd, Dot, R>(inputs, joined_.get()), packed,
            outputs, [&](int k, const V* sums) __attribute__((always_inline)) {
              for (int r = 0; r < R; ++r) finish(first + r, k, sums[r]);
            });
      });
      first += size;
    }
  }

  void embed() {
    for (int i = 0; i < shape_.n; ++i) {
      for (int c = 0; c < network_.scalars; ++c) {
        row(i / N, 2 * hidden_ + c)[i % N] = jet_.scalars[i * network_.scalars + c];
      }
    }
    multiply<Simd>(
        row(0, 2 * hidden_), block_, network_.scalars, network_.embedding,
        hidden_, [&](int block, int k, V sum) __attribute__((always_inline)) {
          store(row(block, k), sum + broadcast<V>(network_.embedding_bias[k]));
        });
  }

  void edges(const PackedLayer<T>& layer, const PackedNodes<T>& nodes) {
    multiply<Simd>(
        row(0, 0), block_, hidden_, nodes.project,
        2 * hidden_, [&](int block, int k, V sum) __attribute__((always_inline)) {
          T* const to = k < hidden_ ? a_.get() : b_.get() - hidden_ * N;
          store(to + (static_cast<long>(block) * hidden_ + k) * N,
                sum + broadcast<V>(nodes.project_bias[k]));
        });
    const Coordinates<Simd> x(shape_, x_.get());
    products_of_pairs(shape_, x, s_.get(), t_.get());
    message_.clear();
    edge_pass<Simd>(shape_, layer, {a_.get(), b_.get(), layer.u, layer.v, s_.get(), t_.get()},
                    {message_.get(), phi_.get(), nullptr});
    if (!layer.moves) return;
    translations(shape_, x, phi_.get(), translation_.get());
    const double step = network_.c_weight / (shape_.n > 2 ? shape_.n - 1 : 1);
    for (int k = 0; k < 4 * shape_.n; ++k) x_[k] += step * translation_[k];
  }

  void update_nodes(const PackedNodes<T>& nodes) {
    const long size = static_cast<long>(hidden_) * N;
    for (int block = 0; block < shape_.blocks; ++block) {
      __builtin_memcpy(row(block, hidden_), message_.get() + block * size,
                       static_cast<unsigned long>(size) * sizeof(T));
    }
    T* const y = message_.get();
    multiply<typename Simd::Dot>(
        row(0, 0), block_, rows_, nodes.in,
        hidden_, [&](int block, int k, V sum) __attribute__((always_inline)) {
          store(y + block * size + k * N, Simd::relu(sum + broadcast<V>(nodes.in_bias[k])));
        });
    multiply<typename Simd::Dot>(
        y, size, hidden_, nodes.out,
        hidden_, [&](int block, int k, V sum) __attribute__((always_inline)) {
          T* const h = row(block, k);
          store(h, load<V>(h) + sum + broadcast<V>(nodes.out_bias[k]));
        });
  }

  /// graph_dec of sum_i h_i / n_nodes.
  void decode(T* logits) {
    Buffer<Simd, T> pooled(hidden_), decoded(hidden_);
    for (int c = 0; c < hidden_; ++c) {
      V lanes{};
      for (int block = 0; block < shape_.full; ++block) lanes += load<V>(row(block, c));
      T sum = sum_of_lanes<Simd>(lanes);
      for (int lane = 0; lane < shape_.left; ++lane) sum += row(shape_.full, c)[lane];
      pooled[c] = sum / jet_.n_nodes;
    }
    for (int k = 0; k < hidden_; ++k) {
      const T value = dot(network_.decode_in + static_cast<long>(k) * hidden_, pooled.get()) +
                      network_.decode_in_bias[k];
      decoded[k] = 0 > value ? 0 : value;
    }
    for (int k = 0; k < network_.classes; ++k) {
      logits[k] = dot(network_.decode_out + static_cast<long>(k) * hidden_, decoded.get()) +
                  network_.decode_out_bias[k];
    }
  }

  T dot(const T* weights, const T* values) const {
    T lanes[N] = {};
    for (int c = 0; c < hidden_; ++c) lanes[c % N] += weights[c] * values[c];
    T sum = 0;
    for (const T value : lanes) sum += value;
    return sum;
  }

  const PackedNetwork<T>& network_;
  const JetNodes<T>& jet_;
  JetShape<Simd> shape_;
  int hidden_, rows_;
  long block_;  ///< elements of a block of nodes_
  Buffer<Simd, T> nodes_, a_, b_, message_, s_, t_, phi_, joined_;
  Buffer<Simd, double> x_, translation_;
};

}  // namespace lorentznet::fused
