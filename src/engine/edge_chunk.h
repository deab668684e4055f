#pragma once

#include "engine/engine.h"
#include "engine/product.h"

namespace lorentznet::fused {

/// Edges of a chunk: one bit each of a word.
inline constexpr int kChunk = kWord;

/// The edges of a chunk, and what the forward pass computes of them.
template <typename S>
class EdgeChunk {
 public:
  using T = typename S::Scalar;

  /// Of the edges to some of a jet's n nodes.
  EdgeChunk(NodeRange receivers, int n, int hidden)
      : n_(n),
        i_(receivers.first),
        end_(receivers.end),
        step(padded(hidden)),
        words(words_of(hidden)),
        x(kChunk * step),
        e(kChunk * step),
        x_mask(static_cast<long>(kChunk) * words),
        e_mask(static_cast<long>(kChunk) * words),
        y_mask(static_cast<long>(kChunk) * words),
        all(words, Unset{}) {
    set_all<S>(hidden, all.get());
  }

  /// Goes on to the next edges; whether there are any.
  bool next() {
    count = 0;
    for (; i_ < end_ && count < kChunk; ++count) {
      if (j_ == i_) ++j_;
      if (j_ >= n_) {
        ++i_, j_ = 0, --count;
        continue;
      }
      receiver[count] = i_;
      sender[count] = j_++;
    }
    for (int k = count; count > 0 && k < kChunk; ++k) {
      receiver[k] = receiver[count - 1];
      sender[k] = sender[count - 1];
    }
    return count > 0;
  }

  struct Rows {
    T* rows;
    long step;
    std::uint64_t* masks;
    long words;
  };
  Rows of(Buffer<S, T>& rows, Buffer<S, std::uint64_t>& masks) {
    return {rows.get(), step, masks.get(), words};
  }

 private:
  int n_, i_, j_ = 0, end_;  ///< the next edge; where receivers end

 public:
  long step;
  int words, count = 0;
  int receiver[kChunk], sender[kChunk];
  Buffer<S, T> x, e;                        ///< [kChunk] rows: relu(z), and e
  Buffer<S, std::uint64_t> x_mask, e_mask;  ///< what is not zero of them
  Buffer<S, std::uint64_t> y_mask;          ///< where phi_x.0 is positive
  Buffer<S, std::uint64_t> all;             ///< [words] all channels
  T gate[kChunk] = {}, phi[kChunk] = {};
};

/// Where `hidden` ends within a vector of outputs, what is behind it is zero times an input, which
/// may be infinite.
template <typename S>
class Valid {
 public:
  Valid(const EdgeChunk<S>& chunk, int hidden)
      : all_(bytes_of(chunk.all.get(), 0)), ragged_(hidden % kUnit != 0) {}
  /// The sums of outputs first + at, ...
  template <typename V>
  [[gnu::always_inline]] V only(V x, int first, int at) const {
    return ragged_ ? S::where(bits_at<V>(all_ + first / 8, at), x) : x;
  }

 private:
  const unsigned char* all_;
  bool ragged_;
};

}  // namespace lorentznet::fused
