#pragma once

#include <algorithm>
#include <cmath>

#include "training_weights.h"

namespace lorentznet::cuda {

/// phi_e's first layer and batch norm, edge by edge in double: the loss is
/// sum_ij q_ij (zhat_ij gamma + beta), z_ij = a_i + b_j + u s_ij + v t_ij.
struct EdgeLoss {
  int width, nodes = 0;
  std::vector<int> offsets{0};
  std::vector<float> a, b, weight;  ///< [P, H]; [H, 2 H + 2], of which the last two are u and v
  std::vector<float> gamma, beta;
  std::vector<double> x;
  std::vector<std::vector<float>> q;  ///< [H] of each pair, receiver by receiver
  std::vector<int> receiver, sender;  ///< of each pair
  std::vector<int> first_pair;        ///< [P] of its jet, with the diagonal
  // of forward():
  std::vector<double> s, t, mean, inverse_sigma, squares;

  EdgeLoss(const std::vector<int>& sizes, int hidden) : width(hidden) {
    std::mt19937 random(31);
    std::normal_distribution<double> normal;
    const auto fill = [&](auto& to, int count, double size) {
      for (int k = 0; k < count; ++k) to.push_back(size * normal(random));
    };
    for (const int n : sizes) add_jet(n);
    fill(a, nodes * hidden, 1);
    fill(b, nodes * hidden, 1);
    fill(weight, hidden * (2 * hidden + 2), 0.3);
    fill(gamma, hidden, 1);
    fill(beta, hidden, 1);
    for (int i = 0; i < nodes; ++i) {  // a particle of 1 to 100 GeV in a jet's cone
      const double energy = std::exp(std::abs(2 * normal(random)));
      const double px = .3 * energy * normal(random), py = .3 * energy * normal(random);
      x.insert(x.end(), {std::sqrt(energy * energy + px * px + py * py), px, py, energy});
    }
    q.resize(receiver.size());
    for (auto& of : q) fill(of, hidden, 1);
    forward();
  }
  int step() const { return 2 * width + 2; }
  double u(int c) const { return weight[c * step() + 2 * width]; }
  double v(int c) const { return weight[c * step() + 2 * width + 1]; }
  int edges() const { return static_cast<int>(receiver.size()); }
  double z(int edge, int c) const {
    return a[receiver[edge] * width + c] + double{b[sender[edge] * width + c]} + u(c) * s[edge] +
           v(c) * t[edge];
  }
  double zhat(int edge, int c) const { return (z(edge, c) - mean[c]) * inverse_sigma[c]; }
  /// \param k  component \return that of x_i - x_j
  double difference(int edge, int k) const {
    return x[4 * receiver[edge] + k] - x[4 * sender[edge] + k];
  }
  double distance(int edge) const {
    double sum = 0;
    for (int k = 0; k < 4; ++k) sum += sign(k) * difference(edge, k) * difference(edge, k);
    return sum;
  }
  double product(int edge) const {
    double sum = 0;
    for (int k = 0; k < 4; ++k) {
      sum += sign(k) * x[4 * receiver[edge] + k] * x[4 * sender[edge] + k];
    }
    return sum;
  }
  static double sign(int k) { return k == 0 ? 1 : -1; }

  double forward() {
    s.clear();
    t.clear();
    for (int e = 0; e < edges(); ++e) {
      s.push_back(psi(distance(e)));
      t.push_back(psi(product(e)));
    }
    mean.assign(width, 0);
    squares.assign(width, 0);
    inverse_sigma.assign(width, 0);
    double loss = 0;
    for (int c = 0; c < width; ++c) {
      double variance = 0;
      for (int e = 0; e < edges(); ++e) mean[c] += z(e, c) / edges();
      for (int e = 0; e < edges(); ++e) {
        variance += (z(e, c) - mean[c]) * (z(e, c) - mean[c]) / edges();
        squares[c] += z(e, c) * z(e, c);
      }
      inverse_sigma[c] = 1 / std::sqrt(variance + kEpsilon);
      for (int e = 0; e < edges(); ++e) loss += q[e][c] * (zhat(e, c) * gamma[c] + beta[c]);
    }
    return loss;
  }

 private:
  static double psi(double p) { return std::copysign(std::log1p(std::abs(p)), p); }
  void add_jet(int n) {
    const int pairs = first_pair.empty() ? 0 : first_pair.back() + last_ * last_;
    for (int i = 0; i < n; ++i) {
      first_pair.push_back(pairs);
      for (int j = 0; j < n; ++j) {
        if (i == j) continue;
        receiver.push_back(nodes + i);
        sender.push_back(nodes + j);
      }
    }
    nodes += n;
    last_ = n;
    offsets.push_back(nodes);
  }

  int last_ = 0;  ///< nodes of the last jet
};

/// What the kernels of edges sum up, in double.
struct EdgeSumsOfLoss {
  std::vector<float> receivers, senders, s, t;
  std::vector<double> with_s, with_t;

  explicit EdgeSumsOfLoss(const EdgeLoss& loss) : with_s(loss.width), with_t(loss.width) {
    const int width = loss.width;
    std::vector<double> of_receivers(loss.a.size()), of_senders(loss.a.size());
    int pairs = 0;
    for (std::size_t jet = 0; jet + 1 < loss.offsets.size(); ++jet) {
      const int n = loss.offsets[jet + 1] - loss.offsets[jet];
      pairs += n * n;
    }
    s.resize(pairs);
    t.resize(pairs);
    for (int e = 0; e < loss.edges(); ++e) {
      const int i = loss.receiver[e], j = loss.sender[e];
      const int jet =
          std::upper_bound(loss.offsets.begin(), loss.offsets.end(), i) - loss.offsets.begin();
      const int first = loss.offsets[jet - 1], n = loss.offsets[jet] - first;
      double to_s = 0, to_t = 0;
      for (int c = 0; c < width; ++c) {
        const double q = loss.q[e][c], scale = loss.gamma[c] * loss.inverse_sigma[c];
        of_receivers[i * width + c] += q;
        of_senders[j * width + c] += q;
        to_s += loss.u(c) * scale * q;
        to_t += loss.v(c) * scale * q;
        with_s[c] += loss.s[e] * q;
        with_t[c] += loss.t[e] * q;
      }
      const int pair = loss.first_pair[i] + (j - first) * n + (i - first);
      s[pair] = to_s;
      t[pair] = to_t;
    }
    receivers.assign(of_receivers.begin(), of_receivers.end());
    senders.assign(of_senders.begin(), of_senders.end());
  }
};

}  // namespace lorentznet::cuda
