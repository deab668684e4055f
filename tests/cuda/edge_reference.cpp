#include "edge_reference.h"

#include <algorithm>
#include <cmath>
#include <random>

#include "engine/pack.h"

namespace lorentznet::cuda {
namespace {

constexpr double kFloat = 0x1p-23;  // of a float's sums: several times its rounding

/// A number, and how far off it may be.
struct Near {
  double value, error;
};
Near relu(const Near& x) {
  if (x.value > 0) return x;
  return {0, std::max(0.0, x.value + x.error)};
}
/// Rounded to a format.
Near rounded(const Near& x, double unit) {
  return {x.value, x.error + unit * (std::abs(x.value) + x.error)};
}

double psi(double p) { return std::copysign(std::log1p(std::abs(p)), p); }

/// One edge from node j to node i.
class Edge {
 public:
  Edge(const fused::PackedLayer<float>& layer, const JetsOfSizes& jets, double unit)
      : layer_(layer),
        jets_(jets),
        unit_(unit),
        hidden_(layer.hidden),
        step_(fused::row_elements(layer.hidden)),
        e_(static_cast<std::size_t>(hidden_)) {}

  void compute(int i, int j) {
    embed(inputs(i, j));
    Near logit{layer_.gate_bias, 0};
    for (int c = 0; c < hidden_; ++c) add_term(logit, layer_.gate[c], rounded(e_[c], 0));
    gate_.value = 1 / (1 + std::exp(-logit.value));
    gate_.error = .25 * logit.error + 8 * kFloat * gate_.value;
  }
  Near message(int c) const {
    return {gate_.value * e_[c].value,
            gate_.value * e_[c].error + gate_.error * (e_[c].value + e_[c].error)};
  }
  Near phi() const {
    Near phi{0, 0};
    for (int k = 0; k < hidden_; ++k) {
      Near sum = product(layer_.move_in, k, 0, e_);
      const Near y{gate_.value * sum.value + layer_.move_in_bias[k],
                   gate_.value * sum.error + gate_.error * (std::abs(sum.value) + sum.error) +
                       4 * kFloat * std::abs(layer_.move_in_bias[k])};
      add_term(phi, layer_.move_out[k], rounded(relu(y), unit_));
    }
    return phi;
  }

 private:
  /// relu(z), as the product's operand.
  std::vector<Near> inputs(int i, int j) const {
    const double *xi = &jets_.x[4 * i], *xj = &jets_.x[4 * j];
    double s = 0, t = 0;
    for (int k = 0; k < 4; ++k) {
      const double sign = k == 0 ? 1 : -1;
      s += sign * (xi[k] - xj[k]) * (xi[k] - xj[k]);
      t += sign * xi[k] * xj[k];
    }
    std::vector<Near> z;
    for (int c = 0; c < hidden_; ++c) {
      const double terms[4] = {jets_.a[i * hidden_ + c], jets_.b[j * hidden_ + c],
                               layer_.u[c] * psi(s), layer_.v[c] * psi(t)};
      Near sum{0, 0};
      for (const double term : terms) {
        sum.value += term;
        sum.error += 8 * kFloat * std::abs(term);
      }
      for (int k : {2, 3}) sum.error += 2 * unit_ * unit_ * std::abs(terms[k]);  // two parts each
      z.push_back(rounded(relu(sum), unit_));
    }
    return z;
  }
  void embed(const std::vector<Near>& z) {
    for (int k = 0; k < hidden_; ++k) {
      e_[k] = rounded(relu(product(layer_.edge_out, k, layer_.edge_out_bias[k], z)), unit_);
    }
  }
  /// Output k of a product: [inputs] rows of outputs.
  Near product(const float* weights, int k, double bias, const std::vector<Near>& from) const {
    Near sum{bias, (8 + hidden_) * kFloat * std::abs(bias)};
    for (int c = 0; c < hidden_; ++c) {
      const double weight = weights[c * step_ + k];
      sum.value += weight * from[c].value;
      sum.error += std::abs(weight) * (from[c].error * (1 + unit_) + unit_ * from[c].value +
                                       (8 + hidden_) * kFloat * from[c].value);
    }
    return sum;
  }
  /// A term of a dot product whose vector is two operands.
  void add_term(Near& sum, double weight, const Near& from) const {
    sum.value += weight * from.value;
    sum.error += std::abs(weight) * (from.error + (2 * unit_ * unit_ + (8 + hidden_) * kFloat) *
                                                      (from.value + from.error));
  }

  const fused::PackedLayer<float>& layer_;
  const JetsOfSizes& jets_;
  double unit_;
  int hidden_;
  long step_;
  std::vector<Near> e_;
  Near gate_{};
};

}  // namespace

RandomLayer::RandomLayer(int hidden, bool moves, unsigned seed)
    : memory_(static_cast<std::size_t>(fused::layer_elements(hidden))) {
  std::mt19937 random(seed);
  std::uniform_real_distribution<float> uniform(-1, 1);
  const float size = 1 / std::sqrt(static_cast<float>(hidden));
  const auto draw = [&](int count, float scale) {
    std::vector<float> values(static_cast<std::size_t>(count));
    for (float& value : values) value = scale * size * uniform(random);
    return values;
  };
  const auto u = draw(hidden, 2), v = draw(hidden, 2), edge_out = draw(hidden * hidden, 2),
             edge_out_bias = draw(hidden, 1), gate = draw(hidden, 3),
             move_in = draw(hidden * hidden, 2), move_in_bias = draw(hidden, 1),
             move_out = draw(hidden, 20), gate_bias = draw(1, 1);
  const std::vector<float> ones(static_cast<std::size_t>(hidden), 1);
  layer_ = fused::pack_layer<float>({.hidden = hidden,
                                     .u = u.data(),
                                     .v = v.data(),
                                     .scale = ones.data(),
                                     .edge_out = edge_out.data(),
                                     .edge_out_bias = edge_out_bias.data(),
                                     .gate = gate.data(),
                                     .gate_bias = gate_bias.data(),
                                     .move_in = moves ? move_in.data() : nullptr,
                                     .move_in_bias = moves ? move_in_bias.data() : nullptr,
                                     .move_out = moves ? move_out.data() : nullptr},
                                    memory_.data());
}

JetsOfSizes::JetsOfSizes(const std::vector<int>& sizes, int h) : hidden(h) {
  for (const int n : sizes) {
    std::mt19937 random(7 + 1000U * static_cast<unsigned>(n));
    std::normal_distribution<double> normal;
    const int first = nodes();
    offsets.push_back(first + n);
    for (int i = 0; i < n; ++i) {
      span.push_back({first, first + n});
      for (int c = 0; c < hidden; ++c) {
        a.push_back(static_cast<float>(.7 * normal(random)));
        b.push_back(static_cast<float>(.7 * normal(random)));
      }
      const double pt = 1500 * std::exp(normal(random)) / (n + 5), eta = .3 * normal(random),
                   phi = .3 * normal(random);
      x.insert(x.end(),
               {pt * std::cosh(eta), pt * std::cos(phi), pt * std::sin(phi), pt * std::sinh(eta)});
    }
  }
}

EdgeReference edge_reference(const fused::PackedLayer<float>& layer, const JetsOfSizes& jets,
                             double unit) {
  const auto nodes = static_cast<std::size_t>(jets.nodes());
  const std::size_t hidden = static_cast<std::size_t>(jets.hidden);
  EdgeReference sums{std::vector<double>(nodes * hidden), std::vector<double>(nodes * 4),
                     std::vector<double>(nodes * hidden), std::vector<double>(nodes * 4)};
  Edge edge(layer, jets, unit);
  for (int i = 0; i < jets.nodes(); ++i) {
    for (int j = jets.span[i].x; j < jets.span[i].y; ++j) {
      if (i == j) continue;
      edge.compute(i, j);
      for (std::size_t c = 0; c < hidden; ++c) {
        const Near m = edge.message(static_cast<int>(c));
        sums.message[i * hidden + c] += m.value;
        sums.message_bound[i * hidden + c] += m.error + 200 * kFloat * std::abs(m.value);
      }
      if (!layer.moves) continue;
      const Near phi = edge.phi();
      for (int k = 0; k < 4; ++k) {
        const double difference = jets.x[4 * i + k] - jets.x[4 * j + k];
        sums.translation[4 * i + k] +=
            std::clamp(difference * phi.value, -fused::kTranslationBound, fused::kTranslationBound);
        sums.translation_bound[4 * i + k] +=
            std::abs(difference) * (phi.error + 4 * kFloat * std::abs(phi.value));
      }
    }
  }
  return sums;
}

}  // namespace lorentznet::cuda
