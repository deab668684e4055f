#include "edge_training_reference.h"

#include <cmath>
#include <random>

#include "engine/cuda/edge_norm.h"

namespace lorentznet::cuda {
namespace {

using Row = std::vector<double>;

double psi(double p) { return std::copysign(std::log1p(std::abs(p)), p); }

/// One edge from node j to node i: its values, then its part of all gradients.
class TrainingEdge {
 public:
  TrainingEdge(const EdgeTrainingLayer& layer, const JetsOfSizes& jets, const Rounding& rounding)
      : layer_(layer), jets_(jets), h_(layer.hidden), rounded_(rounding), weights_(layer) {
    pulled_ = layer.move_in;
    for (int k = 0; k < h_ * h_; ++k) {
      pulled_[k] = rounded_.once(pulled_[k] * layer.move_out[k / h_]);
    }
    for (auto* matrix : {&weights_.edge_out, &weights_.move_in}) {
      for (double& weight : *matrix) weight = rounded_.once(weight);
    }
    for (auto* vector : {&weights_.gate, &weights_.move_out}) {
      for (double& weight : *vector) weight = rounded_.twice(weight);
    }
  }

  void forward(int i, int j) {
    i_ = i, j_ = j;
    const double *xi = &jets_.x[4 * i], *xj = &jets_.x[4 * j];
    double interval = 0, product = 0;
    for (int k = 0; k < 4; ++k) {
      const double sign = k == 0 ? 1 : -1;
      difference_[k] = xi[k] - xj[k];
      interval += sign * difference_[k] * difference_[k];
      product += sign * xi[k] * xj[k];
    }
    s_ = psi(interval), t_ = psi(product);
    z_ = Row(h_), e_ = y_ = z_;
    for (int c = 0; c < h_; ++c) {
      z_[c] =
          layer_.scale[c] * (jets_.a[i * h_ + c] + jets_.b[j * h_ + c] + u(c) * s_ + v(c) * t_) +
          layer_.shift[c];
    }
    double logit = layer_.gate_bias[0];
    for (int c = 0; c < h_; ++c) {
      double sum = layer_.edge_out_bias[c];
      for (int k = 0; k < h_; ++k) sum += weights_.edge_out[c * h_ + k] * std::max(z_[k], 0.);
      e_[c] = rounded_.once(std::max(sum, 0.));
      logit += weights_.gate[c] * e_[c];
    }
    gate_ = 1 / (1 + std::exp(-logit));
    phi_ = 0;
    for (int k = 0; k < h_ && layer_.moves; ++k) {
      y_[k] = layer_.move_in_bias[k];
      for (int c = 0; c < h_; ++c) y_[k] += weights_.move_in[k * h_ + c] * gate_ * e_[c];
      phi_ += weights_.move_out[k] * rounded_.once(std::max(y_[k], 0.));
    }
  }

  void add_forward(EdgeTrainingValues& to, std::size_t pair) const {
    for (int c = 0; c < h_; ++c) to.message[i_ * h_ + c] += gate_ * e_[c];
    if (!layer_.moves) return;
    to.phi[pair] = phi_;
    for (int k = 0; k < 4; ++k) {
      const double step = difference_[k] * phi_;
      to.translation[4 * i_ + k] += std::min(std::max(step, -100.), 100.);
      if (std::abs(step) > 100) to.clamped[pair] = true;
    }
  }

  void add_backward(const double* message, const double* translation, EdgeTrainingValues& to,
                    std::size_t pair) const {
    Row dm(message, message + h_);
    if (layer_.moves) add_movement(translation, dm, to);
    double dlogit = 0;
    for (int c = 0; c < h_; ++c) dlogit += dm[c] * e_[c] * gate_ * (1 - gate_);
    to.gate_bias[0] += dlogit;
    Row q(h_);
    for (int c = 0; c < h_; ++c) {
      to.gate[c] += dlogit * e_[c];
      const double d = e_[c] > 0 ? rounded_.once(gate_ * dm[c] + dlogit * layer_.gate[c]) : 0;
      to.edge_out_bias[c] += d;
      for (int k = 0; k < h_; ++k) {
        to.edge_out[c * h_ + k] += d * std::max(z_[k], 0.);
        if (z_[k] > 0) q[k] += d * weights_.edge_out[c * h_ + k];
      }
    }
    for (int c = 0; c < h_; ++c) {
      to.q_row[i_ * h_ + c] += q[c];
      to.q_column[j_ * h_ + c] += q[c];
      to.p_s[pair] += u(c) * layer_.scale[c] * q[c];
      to.p_t[pair] += v(c) * layer_.scale[c] * q[c];
      to.s_q[c] += s_ * q[c];
      to.t_q[c] += t_ * q[c];
    }
  }

 private:
  double u(int c) const { return layer_.uv[c * (2 * h_ + 2) + 2 * h_]; }
  double v(int c) const { return layer_.uv[c * (2 * h_ + 2) + 2 * h_ + 1]; }

  void add_movement(const double* translation, Row& dm, EdgeTrainingValues& to) const {
    double dphi = 0;
    for (int k = 0; k < 4; ++k) {
      if (std::abs(difference_[k] * phi_) > 100) continue;
      dphi += translation[k] * difference_[k];
      to.x[4 * i_ + k] += translation[k] * phi_;
      to.x[4 * j_ + k] -= translation[k] * phi_;
    }
    // dL/dphi [y > 0] m, and dL/dphi [y > 0], which the gradients of phi_x are made of.
    Row terms(h_);
    for (int c = 0; c < h_; ++c) terms[c] = rounded_.once(dphi * gate_ * e_[c]);
    const double positive = rounded_.once(dphi);
    for (int k = 0; k < h_; ++k) {
      if (y_[k] <= 0) continue;
      to.move_in_bias[k] += layer_.move_out[k] * positive;
      to.move_out[k] += positive * layer_.move_in_bias[k];
      for (int c = 0; c < h_; ++c) {
        to.move_in[k * h_ + c] += layer_.move_out[k] * terms[c];
        to.move_out[k] += layer_.move_in[k * h_ + c] * terms[c];
        dm[c] += dphi * pulled_[k * h_ + c];
      }
    }
  }

  const EdgeTrainingLayer& layer_;
  const JetsOfSizes& jets_;
  int h_, i_ = 0, j_ = 0;
  const Rounding& rounded_;
  EdgeTrainingLayer weights_;  ///< rounded
  Row pulled_;                 ///< the rows of move_in times move_out, rounded
  double difference_[4] = {}, s_ = 0, t_ = 0, gate_ = 0, phi_ = 0;
  Row z_, e_, y_;  ///< z and y before their relu
};

}  // namespace

EdgeTrainingLayer::EdgeTrainingLayer(int width, bool has_phi_x, unsigned seed)
    : hidden(width), moves(has_phi_x) {
  std::mt19937 random(seed);
  const double size = 1 / std::sqrt(hidden);
  const auto draw = [&](int count, double from, double to) {
    std::uniform_real_distribution<float> uniform(static_cast<float>(from), static_cast<float>(to));
    Row values(static_cast<std::size_t>(count));
    for (double& value : values) value = uniform(random);
    return values;
  };
  const int h = hidden;
  uv = draw(h * (2 * h + 2), -2 * size, 2 * size);
  scale = draw(h, .3, 1.2);
  for (int c = 0; c < h; c += 3) scale[c] = -scale[c];
  shift = draw(h, -.5, .5);
  edge_out = draw(h * h, -2 * size, 2 * size);
  edge_out_bias = draw(h, -size, size);
  gate = draw(h, -3 * size, 3 * size);
  gate_bias = draw(1, -size, size);
  move_in = draw(h * h, -2 * size, 2 * size);
  move_in_bias = draw(h, -size, size);
  move_out = draw(h, -20 * size, 20 * size);
}

EdgeTrainingValues edge_training_reference(const EdgeTrainingLayer& layer, const JetsOfSizes& jets,
                                           const std::vector<double>& message_gradient,
                                           const std::vector<double>& translation_gradient,
                                           const Rounding& rounding) {
  const auto nodes = static_cast<std::size_t>(jets.nodes());
  const auto h = static_cast<std::size_t>(layer.hidden);
  const auto first_pair = first_pairs(jets.offsets);
  const auto pairs = static_cast<std::size_t>(first_pair.back());
  EdgeTrainingValues to;
  to.message = to.q_row = to.q_column = Row(nodes * h);
  to.translation = to.x = Row(nodes * 4);
  to.phi = to.p_s = to.p_t = Row(pairs);
  to.clamped.resize(pairs);
  to.s_q = to.t_q = to.edge_out_bias = to.gate = to.move_in_bias = to.move_out = Row(h);
  to.edge_out = to.move_in = Row(h * h);
  to.gate_bias = Row(1);
  TrainingEdge edge(layer, jets, rounding);
  for (int i = 0; i < jets.nodes(); ++i) {
    const int2 jet = jets.span[i];
    for (int j = jet.x; j < jet.y; ++j) {
      if (i == j) continue;
      const int n = jet.y - jet.x;
      const auto pair = static_cast<std::size_t>(first_pair[i] + (j - jet.x) * n + i - jet.x);
      edge.forward(i, j);
      edge.add_forward(to, pair);
      edge.add_backward(&message_gradient[i * h], &translation_gradient[4 * i], to, pair);
    }
  }
  return to;
}

}  // namespace lorentznet::cuda
