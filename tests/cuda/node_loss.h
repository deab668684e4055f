#pragma once

#include <algorithm>

#include "training_weights.h"

namespace lorentznet::cuda {

/// out y of a Linear whose y = W x, for columns first to first + count - 1 of W: W^T.
inline Linear transposed(const Linear& layer, int first, int count) {
  Linear result = layer;
  result.inputs = layer.outputs;
  result.outputs = count;
  result.weight.clear();
  for (int input = first; input < first + count; ++input) {
    for (int k = 0; k < layer.outputs; ++k) {
      result.weight.push_back(layer.weight[k * layer.inputs + input]);
    }
  }
  result.bias.assign(count, 0);
  return result;
}

inline std::vector<float> as_floats(const std::vector<double>& values) {
  return {values.begin(), values.end()};
}

/// A node part and the loss sum(h' of_h + a of_a + b of_b), a and b being of the next layer. In
/// double; the rows behind `nodes` are the ghost.
struct NodeLoss {
  NodeBatch batch;
  bool ghost;
  TrainingWeights weights;
  int rows, nodes, width;
  std::vector<float> of_h, of_a, of_b;
  // of forward():
  std::vector<double> mean, inverse_sigma, z, y, next_h;

  NodeLoss(const std::vector<int>& sizes, int scalars, int hidden, bool with_ghost)
      : batch(sizes, scalars, hidden),
        ghost(with_ghost),
        weights(hidden, scalars),
        rows(batch.nodes),
        nodes(rows - with_ghost),
        width(hidden) {
    std::mt19937 random(17);
    std::normal_distribution<float> normal;
    for (auto* to : {&of_h, &of_a, &of_b}) {
      to->resize(static_cast<std::size_t>(to == &of_h ? rows : nodes) * width);
      for (float& value : *to) value = normal(random);
    }
    batch.message.resize(static_cast<std::size_t>(nodes) * width);
    for (float& scalar : batch.features) scalar = std::min(3.f, std::max(-3.f, scalar));
    forward();
  }
  double count() const { return nodes + (ghost ? kGhostWeight : 0); }
  double weight(int row) const { return row < nodes ? 1 : kGhostWeight; }

  double forward() {
    hidden();
    normalise();
    double loss = 0;
    next_h.assign(of_h.size(), 0);
    for (int i = 0; i < rows; ++i) {
      for (int c = 0; c < width; ++c) {
        double& h = next_h[i * width + c];
        h = batch.h[i * width + c] + weights.out.bias[c] + dot(weights.out, c, 0, &y[i * width]);
        loss += h * of_h[i * width + c];
      }
      if (i >= nodes) continue;
      for (int c = 0; c < width; ++c) {
        loss += dot(weights.receivers, c, 0, &next_h[i * width]) * of_a[i * width + c];
        loss += dot(weights.senders, c, 0, &next_h[i * width]) * of_b[i * width + c];
      }
    }
    return loss;
  }

 private:
  template <typename T>
  double dot(const Linear& layer, int output, int first, const T* x) const {
    double sum = 0;
    for (int c = 0; c < width; ++c)
      sum += layer.weight[output * layer.inputs + first + c] * double{x[c]};
    return sum;
  }
  void hidden() {
    const int s = batch.scalars;
    z.assign(of_h.size(), 0);
    for (int i = 0; i < rows; ++i) {
      for (int c = 0; c < width; ++c) {
        double& value = z[i * width + c];
        value = weights.in.bias[c] + dot(weights.in, c, 0, &batch.h[i * width]);
        if (i < nodes) value += dot(weights.in, c, width, &batch.message[i * width]);
        for (int k = 0; k < s; ++k) {
          value += double{weights.in.weight[c * weights.in.inputs + 2 * width + k]} *
                   batch.features[i * s + k];
        }
      }
    }
  }
  void normalise() {
    mean.assign(width, 0);
    inverse_sigma.assign(width, 0);
    y.assign(z.size(), 0);
    for (int c = 0; c < width; ++c) {
      double variance = 0;
      for (int i = 0; i < rows; ++i) mean[c] += weight(i) * z[i * width + c] / count();
      for (int i = 0; i < rows; ++i) {
        variance += weight(i) * std::pow(z[i * width + c] - mean[c], 2) / count();
      }
      inverse_sigma[c] = 1 / std::sqrt(variance + kEpsilon);
      for (int i = 0; i < rows; ++i) {
        const double zhat = (z[i * width + c] - mean[c]) * inverse_sigma[c];
        y[i * width + c] = std::max(0.0, zhat * weights.norm.weight[c] + weights.norm.bias[c]);
      }
    }
  }
};

}  // namespace lorentznet::cuda
