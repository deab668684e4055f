#pragma once

#include <algorithm>
#include <cmath>
#include <functional>
#include <random>
#include <vector>

#include "cuda_primitives.h"

// Random nodes and weights, and the node part of a network in double with bounds on what a format's
// rounding changes.

namespace lorentznet::cuda {

/// How a format changes a number that becomes an operand: by relative |x| + absolute, where
/// `absolute` is half of its smallest step; a product of operands also loses `product` of itself.
struct OperandRounding {
  double relative, absolute, product;
  std::function<double(double)> round;  ///< what the reference does to operands
};

inline constexpr double kWeight = 0.005;  ///< of coordinate updates

inline double keep(double value) { return value; }

template <typename Op>
double round_to(double value) {
  return Op::low(Op::pack(static_cast<float>(value), 0.0f));
}

/// A matrix of rows and bounds on their errors.
struct Bounded {
  int width;
  std::vector<double> value, error;

  Bounded(int rows, int columns)
      : width(columns), value(static_cast<std::size_t>(rows) * columns), error(value.size()) {}
  Bounded(const std::vector<float>& values, int columns)
      : width(columns), value(values.begin(), values.end()), error(values.size()) {}
  int rows() const { return static_cast<int>(value.size()) / width; }
};

/// Some scalars are larger than any f16, with small weights.
constexpr double kLarge = 1e5;
constexpr bool is_large(int scalar) { return scalar % 3 == 0; }

/// A Linear as in a state dict: [outputs, inputs]. The last `scalars` inputs are scalars.
struct Linear {
  int inputs, outputs;
  std::vector<float> weight, bias;

  Linear(int in, int out, int scalars, std::mt19937& random) : inputs(in), outputs(out) {
    const double size = 1.5 / std::sqrt(in);
    std::uniform_real_distribution<float> uniform(-size, size);
    for (int k = 0; k < in * out; ++k) {
      const int scalar = k % in - (in - scalars);
      weight.push_back(uniform(random) / (scalar >= 0 && is_large(scalar) ? kLarge : 1));
    }
    for (int k = 0; k < out; ++k) bias.push_back(uniform(random));
  }
};

/// out += the columns of `layer` from `first` on times `in`. \param rounding  null: no operands
inline void add_product(const Linear& layer, int first, const Bounded& in,
                        const OperandRounding* rounding, Bounded& out) {
  constexpr double kSum = 0x1p-23;  // a float sum, also of an adder that cuts off
  const double terms = layer.inputs + 4;
  for (int row = 0; row < in.rows(); ++row) {
    for (int k = 0; k < layer.outputs; ++k) {
      double sum = 0, error = 0, size = 0;
      for (int c = 0; c < in.width; ++c) {
        const double x = in.value[row * in.width + c], dx = in.error[row * in.width + c];
        const double w = layer.weight[k * layer.inputs + first + c];
        const double rw = rounding ? rounding->round(w) : w, rx = rounding ? rounding->round(x) : x;
        sum += rw * rx;
        size += std::abs(w) * (std::abs(x) + dx);
        error += std::abs(w) * dx;
        if (!rounding) continue;
        const double most = std::abs(x) + dx;
        error += (2.1 * rounding->relative + rounding->product) * std::abs(w) * most +
                 1.1 * rounding->absolute * (std::abs(w) + most + rounding->absolute);
      }
      const double was = std::abs(out.value[row * out.width + k]);
      out.value[row * out.width + k] += sum;
      out.error[row * out.width + k] += error + terms * kSum * (size + was);
    }
  }
}

inline Bounded begin_with_bias(const Linear& layer, int rows) {
  Bounded out(rows, layer.outputs);
  for (std::size_t k = 0; k < out.value.size(); ++k) out.value[k] = layer.bias[k % layer.outputs];
  return out;
}

inline void relu_rows(Bounded& rows) {
  for (double& value : rows.value) value = std::max(0.0, value);
}

/// out += rows [P, H]
inline void add_rows(const std::vector<float>& rows, Bounded& out) {
  for (std::size_t k = 0; k < out.value.size(); ++k) {
    out.value[k] += rows[k];
    out.error[k] += 0x1p-23 * (std::abs(out.value[k]) + std::abs(rows[k]));
  }
}

/// Jets of given sizes, end to end. A jet depends on its size alone.
struct NodeBatch {
  int scalars, hidden, nodes = 0;
  std::vector<int> offsets{0};
  std::vector<float> h, message, features, n_nodes;
  std::vector<double> x, translation;

  NodeBatch(const std::vector<int>& sizes, int s, int width) : scalars(s), hidden(width) {
    for (const int n : sizes) add_jet(n);
  }
  int jets() const { return static_cast<int>(offsets.size()) - 1; }

 private:
  void add_jet(int n) {
    std::mt19937 random(1000 + n);
    std::normal_distribution<double> normal;
    const auto fill = [&](auto& to, int count, double size) {
      for (int k = 0; k < count; ++k) to.push_back(size * normal(random));
    };
    fill(h, n * hidden, 1);
    fill(message, n * hidden, 3);
    for (int k = 0; k < n * scalars; ++k) {
      features.push_back(normal(random) * (is_large(k % scalars) ? kLarge : 1));
    }
    fill(x, n * 4, 100);
    fill(translation, n * 4, 10);
    n_nodes.push_back(n + .5f);
    nodes += n;
    offsets.push_back(nodes);
  }
};

/// First node and end of each node's jet.
inline std::vector<int2> spans_of(const NodeBatch& batch) {
  std::vector<int2> spans;
  for (int jet = 0; jet < batch.jets(); ++jet) {
    const int first = batch.offsets[jet], end = batch.offsets[jet + 1];
    spans.insert(spans.end(), end - first, int2{first, end});
  }
  return spans;
}

/// The first layer of phi_h, of [h, message, scalars].
inline Bounded reference_hidden(const Linear& in, const NodeBatch& batch,
                                const std::vector<float>& message,
                                const OperandRounding& rounding) {
  Bounded z = begin_with_bias(in, batch.nodes);
  add_product(in, 0, Bounded(batch.h, batch.hidden), &rounding, z);
  add_product(in, batch.hidden, Bounded(message, batch.hidden), &rounding, z);
  add_product(in, 2 * batch.hidden, Bounded(batch.features, batch.scalars), nullptr, z);
  return z;
}

/// The second one, of what relu has left, and the residual.
inline Bounded reference_residual(const Linear& out, const NodeBatch& batch, const Bounded& y,
                                  const OperandRounding& rounding) {
  Bounded h = begin_with_bias(out, batch.nodes);
  add_product(out, 0, y, &rounding, h);
  add_rows(batch.h, h);
  return h;
}

}  // namespace lorentznet::cuda
