#pragma once

#include "engine/engine.h"
#include "engine/product.h"

namespace lorentznet::fused {

// Linear layers over rows (nodes), kWord rows at a time.

/// Rows [n, width] of a piece from `first` on, padded.
template <typename S, typename T>
void copy_rows(const T* rows, int n, int width, T* to) {
  for (int i = 0; i < n; ++i) {
    __builtin_memcpy(to + i * static_cast<long>(padded(width)), rows + i * static_cast<long>(width),
                     static_cast<unsigned long>(width) * sizeof(T));
  }
}

/// Padded rows without their padding.
template <typename S, typename T>
void copy_back(const T* rows, int n, int width, T* to) {
  for (int i = 0; i < n; ++i) {
    __builtin_memcpy(to + i * static_cast<long>(width), rows + i * static_cast<long>(padded(width)),
                     static_cast<unsigned long>(width) * sizeof(T));
  }
}

template <typename S>
void linear_forward(const PackedLinear<typename S::Scalar>& layer, int n,
                    const RowPieces<const typename S::Scalar>& in, typename S::Scalar* out) {
  using T = typename S::Scalar;
  const long step = padded(layer.outputs);
  Buffer<S, T> sums(kWord * step);
  Buffer<S, std::uint64_t> all(words_of(layer.inputs), Unset{});
  for (int first = 0; first < n; first += kWord) {
    const int rows = n - first < kWord ? n - first : kWord;
    for (int i = 0; i < rows; ++i) {
      __builtin_memcpy(sums.get() + i * step, layer.bias,
                       static_cast<unsigned long>(step) * sizeof(T));
    }
    const T* weights = layer.forward;
    for (const auto& [x, width] : in.of) {
      if (width == 0) continue;
      set_all<S>(width, all.get());
      product<S>(
          {x + static_cast<long>(first) * width, width, 1, all.get(), words_of(width), true}, rows,
          weights, layer.outputs,
          [&](int i, int k, auto& part)
              __attribute__((always_inline)) { part.load_from(sums.get() + i * step + k); },
          [&](int i, int k, auto& part)
              __attribute__((always_inline)) { part.store_to(sums.get() + i * step + k); });
      weights += width * step;
    }
    copy_back<S>(sums.get(), rows, layer.outputs, out + static_cast<long>(first) * layer.outputs);
  }
}

/// The backward pass of a Linear over rows; sums of the weights' gradients in memory of its own.
template <typename S>
class LinearBackward {
 public:
  using T = typename S::Scalar;

  explicit LinearBackward(const PackedLinear<T>& layer)
      : layer_(layer), all_(words_of(layer.outputs), Unset{}) {
    set_all<S>(layer.outputs, all_.get());
    for (const int width : layer.widths) widths_ += padded(width);
  }

  void run(int n, const RowPieces<const T>& in, const T* out_gradient,
           const RowPieces<T>& in_gradient, T* weight) {
    Buffer<S, T> sums(widths_ * layer_.outputs);
    for (int first = 0; first < n; first += kWord) {
      const int rows = n - first < kWord ? n - first : kWord;
      const T* const gradient = out_gradient + static_cast<long>(first) * layer_.outputs;
      long place = 0;  // of the piece, in layer.backward and in the sums
      for (int piece = 0; piece < kMostPieces; ++piece) {
        const int width = layer_.widths[piece];
        if (width == 0) continue;
        const long begin = static_cast<long>(first) * width;
        if (in_gradient.of[piece].rows != nullptr) {
          pull_back(gradient, rows, width, layer_.backward + place,
                    in_gradient.of[piece].rows + begin);
        }
        add_weights(gradient, rows, width, in.of[piece].rows + begin, sums.get() + place);
        place += static_cast<long>(padded(width)) * layer_.outputs;
      }
    }
    add_sums(sums.get(), weight);
  }

 private:
  void pull_back(const T* gradient, int rows, int width, const T* weights, T* to) {
    const long step = padded(width);
    Buffer<S, T> sums(kWord * step, Unset{});
    product<S>(
        {gradient, layer_.outputs, 1, all_.get(), words_of(layer_.outputs), true}, rows, weights,
        width, [](int, int, auto&) {},
        [&](int i, int c, auto& part)
            __attribute__((always_inline)) { part.store_to(sums.get() + i * step + c); });
    copy_back<S>(sums.get(), rows, width, to);
  }

  /// sums[k] += sum over rows i of gradient[i][k] x[i].
  void add_weights(const T* gradient, int rows, int width, const T* x, T* sums) {
    const long step = padded(width);
    Buffer<S, T> lines(kWord * step);
    copy_rows<S>(x, rows, width, lines.get());
    std::uint64_t all = 0;
    set_all<S>(rows, &all);
    product<S>(
        {gradient, 1, layer_.outputs, &all, 1, true}, layer_.outputs, lines.get(), width,
        [&](int k, int c, auto& part)
            __attribute__((always_inline)) { part.load_from(sums + k * step + c); },
        [&](int k, int c, auto& part)
            __attribute__((always_inline)) { part.store_to(sums + k * step + c); });
  }

  /// \param weight [outputs, inputs]
  void add_sums(const T* sums, T* weight) const {
    int column = 0;
    for (const int width : layer_.widths) {
      for (int k = 0; k < layer_.outputs; ++k, sums += padded(width)) {
        T* const to = weight + static_cast<long>(k) * layer_.inputs + column;
        for (int c = 0; c < width; ++c) to[c] += sums[c];
      }
      column += width;
    }
  }

  const PackedLinear<T>& layer_;
  long widths_ = 0;
  Buffer<S, std::uint64_t> all_;
};

}  // namespace lorentznet::fused
