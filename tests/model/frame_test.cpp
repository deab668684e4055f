#include "model/frame.h"

#include <array>
#include <catch2/catch.hpp>
#include <cmath>
#include <vector>

#include "support.h"

using namespace lorentznet;
using lorentznet::test::largest_difference;

namespace {

constexpr LorentzMatrix kMetric = {{{1, 0, 0, 0}, {0, -1, 0, 0}, {0, 0, -1, 0}, {0, 0, 0, -1}}};

LorentzMatrix transposed(const LorentzMatrix& m) {
  LorentzMatrix t{};
  for (std::size_t i = 0; i < 4; ++i) {
    for (std::size_t j = 0; j < 4; ++j) t[i][j] = m[j][i];
  }
  return t;
}

std::vector<double> elements(const LorentzMatrix& m) {
  std::vector<double> all;
  for (const auto& row : m) all.insert(all.end(), row.begin(), row.end());
  return all;
}

double matrix_difference(const LorentzMatrix& a, const LorentzMatrix& b) {
  return largest_difference(elements(a), elements(b));
}

}  // namespace

TEST_CASE("a boost has the sign that docs/network-input.md gives it") {
  const auto boosted = [](const std::array<double, 4>& p) {
    const auto matrix = matrix_of({.beta = 0.6}, 0);
    std::vector<double> q(4, 0.0);
    for (std::size_t i = 0; i < 4; ++i) {
      for (std::size_t j = 0; j < 4; ++j) q[i] += matrix[i][j] * p[j];
    }
    return q;
  };
  CHECK_THAT(boosted({13, 3, 4, 0}),
             Catch::Matchers::Approx(std::vector<double>{18.5, 13.5, 4, 0}).margin(1e-12));
  CHECK_THAT(boosted({1, 0, 0, 0}),
             Catch::Matchers::Approx(std::vector<double>{1.25, 0.75, 0, 0}).margin(1e-12));
}

TEST_CASE("transformations conserve the metric, up to the largest boost") {
  for (const auto axis :
       {Frame::Axis::kX, Frame::Axis::kY, Frame::Axis::kZ, Frame::Axis::kRandom}) {
    for (const double beta : {0., 0.5, -0.9, 0.99999}) {
      for (const bool rotates : {false, true}) {
        const auto m = matrix_of({.beta = beta, .axis = axis, .rotates = rotates, .seed = 5}, 3);
        const double gamma = 1 / std::sqrt(1 - beta * beta);
        const auto kept = product(transposed(m), product(kMetric, m));
        CHECK(matrix_difference(kept, kMetric) < 1e-14 * gamma * gamma);
        CHECK(m[0][0] == Approx(gamma).epsilon(1e-9));
      }
    }
  }
}

TEST_CASE("a boost along an axis changes energy and that component only") {
  const auto m = matrix_of({.beta = 0.6, .axis = Frame::Axis::kY}, 0);
  const LorentzMatrix expected = {
      {{1.25, 0, 0.75, 0}, {0, 1, 0, 0}, {0.75, 0, 1.25, 0}, {0, 0, 0, 1}}};
  CHECK(matrix_difference(m, expected) < 1e-15);
}

TEST_CASE("random axes and rotations: reproducible, different for each jet and seed, uniform") {
  const Frame frame{.beta = 0.5, .axis = Frame::Axis::kRandom, .rotates = true, .seed = 1};
  CHECK(matrix_difference(matrix_of(frame, 7), matrix_of(frame, 7)) == 0);
  CHECK(matrix_difference(matrix_of(frame, 7), matrix_of(frame, 8)) > 1e-3);
  CHECK(matrix_difference(matrix_of(frame, 7), matrix_of({0.5, frame.axis, true, 2}, 7)) > 1e-3);
  // Over all directions n the mean of a boost's first column vanishes except for gamma; that of
  // n n^T is 1/3.
  constexpr int jets = 20000;
  double mean_x = 0, mean_zz = 0, mean_trace = 0;
  for (int jet = 0; jet < jets; ++jet) {
    const auto boost = matrix_of({.beta = 0.6, .axis = Frame::Axis::kRandom, .seed = 3}, jet);
    mean_x += boost[1][0] / 0.75 / jets;
    mean_zz += (boost[3][3] - 1) / 0.25 / jets;
    const auto turn = matrix_of({.rotates = true, .seed = 3}, jet);
    mean_trace += (turn[1][1] + turn[2][2] + turn[3][3]) / jets;
  }
  CHECK(std::abs(mean_x) < 5 / std::sqrt(3. * jets));
  CHECK(std::abs(mean_zz - 1. / 3) < 5 * 0.3 / std::sqrt(jets));
  CHECK(std::abs(mean_trace) < 5 / std::sqrt(jets));  // 1 + 2 cos(angle) has mean 0, variance 1
}
