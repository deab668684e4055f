#include "engine/cuda/edge_norm.h"

#include <catch2/catch.hpp>

#include "cuda_primitives.h"
#include "device_orders.h"
#include "edge_norm_run.h"
#include "row_checks.h"
#include "tested_widths.h"

namespace lorentznet::cuda {
namespace {

void check_statistics(const EdgeLoss& loss, const EdgeNormOutput& got) {
  const int width = loss.width;
  CHECK(got.statistics[2 * width] == loss.edges());
  for (int c = 0; c < width; ++c) {
    const double size = std::sqrt(loss.squares[c] * loss.edges());  // s and t are rounded to float
    CHECK(std::abs(got.statistics[c] - loss.mean[c] * loss.edges()) <= 1e-7 * size);
    CHECK(std::abs(got.statistics[width + c] - loss.squares[c]) <= 1e-6 * loss.squares[c]);
  }
}

/// dL/dz of each edge, from the definition, and what it means for the arguments.
struct EdgeNormReference {
  Bounded a, b, x, weight, gamma, beta;

  /// \param of_batch  whether the statistics are the batch's
  EdgeNormReference(const EdgeLoss& loss, bool of_batch)
      : a(loss.nodes, loss.width),
        b(a),
        x(loss.nodes, 4),
        weight(loss.width, 2),
        gamma(1, loss.width),
        beta(gamma) {
    const int width = loss.width;
    std::vector<double> of_s(loss.edges()), of_t(of_s), size_s(of_s), size_t_(of_s);
    for (int c = 0; c < width; ++c) {
      double mean = 0, slope = 0;
      for (int e = 0; e < loss.edges(); ++e) {
        add(beta, c, loss.q[e][c]);
        add(gamma, c, loss.q[e][c] * loss.zhat(e, c));
      }
      if (of_batch) mean = beta.value[c] / loss.edges(), slope = gamma.value[c] / loss.edges();
      const double scale = loss.gamma[c] * loss.inverse_sigma[c];
      for (int e = 0; e < loss.edges(); ++e) {
        const double dz = scale * (loss.q[e][c] - mean - loss.zhat(e, c) * slope);
        const double size = std::abs(scale) * (std::abs(loss.q[e][c]) + std::abs(mean) +
                                               std::abs(loss.zhat(e, c) * slope));
        add(a, loss.receiver[e] * width + c, dz, size);
        add(b, loss.sender[e] * width + c, dz, size);
        add(weight, 2 * c, loss.s[e] * dz, std::abs(loss.s[e]) * size);
        add(weight, 2 * c + 1, loss.t[e] * dz, std::abs(loss.t[e]) * size);
        of_s[e] += loss.u(c) * dz;
        of_t[e] += loss.v(c) * dz;
        size_s[e] += std::abs(loss.u(c)) * size;
        size_t_[e] += std::abs(loss.v(c)) * size;
      }
    }
    for (int e = 0; e < loss.edges(); ++e) {
      const double apart = 2 / (1 + std::abs(loss.distance(e))),
                   along = 1 / (1 + std::abs(loss.product(e)));
      for (int k = 0; k < 4; ++k) {
        const int i = 4 * loss.receiver[e] + k, j = 4 * loss.sender[e] + k;
        const double by_s = EdgeLoss::sign(k) * apart * loss.difference(e, k),
                     by_t = EdgeLoss::sign(k) * along;
        add(x, i, of_s[e] * by_s, size_s[e] * std::abs(by_s));
        add(x, j, -of_s[e] * by_s, size_s[e] * std::abs(by_s));
        add(x, i, of_t[e] * by_t * loss.x[j], size_t_[e] * std::abs(by_t * loss.x[j]));
        add(x, j, of_t[e] * by_t * loss.x[i], size_t_[e] * std::abs(by_t * loss.x[i]));
      }
    }
  }

 private:
  static void add(Bounded& to, int at, double value, double size) {
    to.value[at] += value;
    to.error[at] += 4e-7 * size;
  }
  static void add(Bounded& to, int at, double value) { add(to, at, value, std::abs(value)); }
};

std::vector<double> random_rows(int count, int seed) {
  std::mt19937 random(seed);
  std::normal_distribution<double> normal;
  std::vector<double> rows(count);
  for (double& value : rows) value = normal(random);
  return rows;
}

void check_gradients(const EdgeLoss& loss, const EdgeNormOutput& got, EdgeNormReference want,
                     const std::vector<double>& given, const std::vector<double>& direct) {
  const int width = loss.width;
  check_rows(got.a, want.a, 1e-6);
  check_rows(got.b, want.b, 1e-6);
  check_rows(got.beta, want.beta, 1e-6);
  check_rows(got.gamma, want.gamma, 1e-6);
  std::vector<float> of_pairs;
  for (int c = 0; c < width; ++c) {
    for (int k = 0; k < loss.step(); ++k) {
      const float value = got.weight[c * loss.step() + k];
      if (k >= 2 * width) {
        of_pairs.push_back(value);
      } else {
        CHECK(value == loss.weight[c * loss.step() + k]);  // another kernel's
      }
    }
  }
  check_rows(of_pairs, want.weight, 2e-6);
  for (int i = 0; i < loss.nodes; ++i) {
    const int jet =
        std::upper_bound(loss.offsets.begin(), loss.offsets.end(), i) - loss.offsets.begin();
    const int others = loss.offsets[jet] - loss.offsets[jet - 1] - 1;
    for (int k = 4 * i; k < 4 * i + 4; ++k) {
      if (!given.empty()) want.x.value[k] += given[k];
      if (!direct.empty()) want.x.value[k] += direct[k];
      want.x.error[k] += 1e-15 * std::abs(want.x.value[k]);
      CHECK(got.translation[k] == kWeight / std::max(1, others) * got.x[k]);
    }
  }
  check_rows(got.x, want.x, 1e-6);
}

template <int H>
void check_edge_norm(const std::vector<int>& sizes, bool last) {
  INFO("H " << H << ", " << sizes.size() << " jets, the first of " << sizes[0]);
  const EdgeLoss loss(sizes, H);
  const auto given = random_rows(last ? 0 : 4 * loss.nodes, 1);
  const auto direct = random_rows(last ? 0 : 4 * loss.nodes, 2);
  const auto got = EdgeNormRun<H>(loss).run(given, direct);
  check_statistics(loss, got);
  check_gradients(loss, got, EdgeNormReference(loss, true), given, direct);
}

}  // namespace

TEST_CASE("places of pairs: as many as an int counts, no more") {
  CHECK(first_pairs({0, 46340}).back() == 46340 * 46340);
  CHECK_THROWS_WITH(first_pairs({0, 46341}), "a batch has more than 2147483647 pairs of nodes");
  CHECK_THROWS_WITH(first_pairs({0, 46340, 46340 + 300}),
                    "a batch has more than 2147483647 pairs of nodes");
}

TEST_CASE("norm of edges of the CUDA engine: statistics and gradients") {
  const auto check = [](auto width) {
    constexpr int H = decltype(width)::value;
    check_edge_norm<H>({1, 2, 3, 15, 16, 17, 33}, false);
    check_edge_norm<H>({40}, true);
  };
  with_tested_widths(check);
  check_edge_norm<16>({199, 2, 200, 64}, false);
}

TEST_CASE("norm of edges of the CUDA engine: statistics that are not the batch's") {
  constexpr int H = 24;
  const EdgeLoss loss({17, 3}, H);
  const auto got = EdgeNormRun<H>(loss, 0).run({}, {});
  check_gradients(loss, got, EdgeNormReference(loss, false), {}, {});
}

TEST_CASE("norm of edges of the CUDA engine: differences of the loss") {
  constexpr int H = 24;
  const EdgeLoss loss({3, 17, 10, 2}, H);
  const auto got = EdgeNormRun<H>(loss).run({}, {});
  const auto check = [&](const char* name, const auto& argument, const auto& gradient,
                         double step) {
    INFO(name);
    std::mt19937 random(3);
    std::normal_distribution<double> normal;
    EdgeLoss up = loss, down = loss;
    double change = 0;
    REQUIRE(argument(up).size() == gradient.size());
    for (std::size_t k = 0; k < gradient.size(); ++k) {
      const double by = step * normal(random);
      argument(up)[k] += by;
      argument(down)[k] -= by;
      change += gradient[k] * (double{argument(up)[k]} - argument(down)[k]);
    }
    const double want = up.forward() - down.forward();
    CHECK(std::abs(want - change) <= 1e-3 * std::abs(want));
  };
  check(
      "a", [](EdgeLoss & of) -> auto& { return of.a; }, got.a, 1e-4);
  check(
      "b", [](EdgeLoss & of) -> auto& { return of.b; }, got.b, 1e-4);
  check(
      "gamma", [](EdgeLoss & of) -> auto& { return of.gamma; }, got.gamma, 1e-4);
  check(
      "beta", [](EdgeLoss & of) -> auto& { return of.beta; }, got.beta, 1e-4);
  check(
      "x", [](EdgeLoss & of) -> auto& { return of.x; }, got.x, 1e-6);
  auto weight = got.weight;  // u and v; not what another kernel writes
  for (std::size_t k = 0; k < weight.size(); ++k) {
    if (static_cast<int>(k) % loss.step() < 2 * H) weight[k] = 0;
  }
  check(
      "u and v", [](EdgeLoss & of) -> auto& { return of.weight; }, weight, 1e-4);
}

TEST_CASE("norm of edges of the CUDA engine: the same bits in any order of threads") {
  constexpr int H = 24;
  const EdgeLoss loss({3, 40, 17, 2}, H);
  const auto given = random_rows(4 * loss.nodes, 1);
  const auto first = EdgeNormRun<H>(loss).run(given, given);
  in_all_orders([&](const std::string& order) {
    INFO(order);
    const auto got = EdgeNormRun<H>(loss).run(given, given);
    CHECK(got.statistics == first.statistics);
    CHECK(got.pairs == first.pairs);
    CHECK(got.weight == first.weight);
    CHECK(got.gamma == first.gamma);
    CHECK(got.terms == first.terms);
    CHECK(got.a == first.a);
    CHECK(got.b == first.b);
    CHECK(got.x == first.x);
  });
}

TEST_CASE("norm of edges of the CUDA engine: NaN stays") {
  constexpr int H = 24;
  EdgeLoss loss({3, 17}, H);
  loss.x[4 * 2 + 1] = NAN;  // of the last node of the first jet
  loss.forward();
  const auto got = EdgeNormRun<H>(loss).run({}, {});
  for (int c = 0; c < 2 * H; ++c) CHECK(std::isnan(got.statistics[c]));
  CHECK(got.statistics[2 * H] == loss.edges());
  for (int i = 0; i < loss.nodes; ++i) {
    for (int k = 0; k < kPairSums; ++k) CHECK(std::isnan(got.pairs[i * kPairSums + k]) == (i < 3));
  }
  for (const double value : got.x) CHECK(std::isnan(value));
}

}  // namespace lorentznet::cuda
