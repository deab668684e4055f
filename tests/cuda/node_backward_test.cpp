#include <catch2/catch.hpp>

#include "cuda_primitives.h"
#include "device_orders.h"
#include "node_backward_run.h"
#include "row_checks.h"
#include "tested_widths.h"

namespace lorentznet::cuda {
namespace {

// ---- the definition, kernel by kernel: of what the one before has written ----

/// sum_row of the rows that both have: gradient [rows, H] x [rows, W], with bounds.
Bounded reference_product(const std::vector<float>& gradient, const Bounded& x, int width,
                          const OperandRounding* rounding) {
  Bounded out(width, x.width);
  const int rows = std::min<int>(x.rows(), gradient.size() / width);
  std::vector<double> size(out.value.size());
  for (int row = 0; row < rows; ++row) {
    for (int o = 0; o < width; ++o) {
      const double g = gradient[row * width + o];
      for (int i = 0; i < x.width; ++i) {
        const double value = x.value[row * x.width + i], error = x.error[row * x.width + i];
        double& bound = out.error[o * x.width + i];
        out.value[o * x.width + i] += g * value;
        size[o * x.width + i] += std::abs(g) * (std::abs(value) + error);
        bound += std::abs(g) * error;
        if (rounding) bound += (2.1 * rounding->relative + rounding->product) * std::abs(g * value);
      }
    }
  }
  for (std::size_t k = 0; k < size.size(); ++k) out.error[k] += (rows + 4) * 0x1p-23 * size[k];
  return out;
}

Bounded with_ghost(const std::vector<float>& rows, const NodeLoss& loss) {
  auto all = rows;
  all.resize(static_cast<std::size_t>(loss.rows) * loss.width);
  return {all, loss.width};
}

void check_out(const NodeLoss& loss, bool last, const NodeGradients& got,
               const OperandRounding& rounding, double limit) {
  const int width = loss.width;
  Bounded gradient(loss.of_h, width);
  if (!last) {
    add_product(transposed(loss.weights.receivers, 0, width), 0, with_ghost(loss.of_a, loss),
                &rounding, gradient);
    add_product(transposed(loss.weights.senders, 0, width), 0, with_ghost(loss.of_b, loss),
                &rounding, gradient);
  }
  check_rows(got.gradient, gradient, limit);
  Bounded r(loss.rows, width);
  add_product(transposed(loss.weights.out, 0, width), 0, Bounded(got.gradient, width), &rounding,
              r);
  for (std::size_t k = 0; k < r.value.size(); ++k) {
    const auto c = k % width;
    if (std::fma(got.z[k], got.scale[c], got.shift[c]) > 0) continue;
    r.value[k] = r.error[k] = 0;
  }
  check_rows(got.r, r, limit);
  for (int c = 0; c < width; ++c) {
    double sums[3] = {};
    for (int k = c; k < loss.rows * width; k += width) {
      sums[0] += got.r[k];
      sums[1] += got.r[k] * (got.z[k] - loss.mean[c]) * loss.inverse_sigma[c];
      sums[2] += got.gradient[k];
    }
    for (int k = 0; k < 3; ++k) CHECK(std::abs(got.sums[k * width + c] - sums[k]) <= 1e-9);
  }
  CHECK(got.norm_gradients == as_floats(got.sums));
  for (const unsigned ticket : got.tickets) CHECK(ticket == 0);
}

void check_in(const NodeLoss& loss, const NodeGradients& got, const OperandRounding& rounding,
              double limit) {
  const int width = loss.width;
  Bounded dz(loss.rows, width);
  std::vector<double> bias(width), size(width);
  for (int k = 0; k < loss.rows * width; ++k) {
    const int c = k % width;
    const double zhat = (got.z[k] - loss.mean[c]) * loss.inverse_sigma[c];
    const double from_norm =
        loss.weight(k / width) / loss.count() * (got.sums[c] + zhat * got.sums[width + c]);
    dz.value[k] = got.scale[c] * (got.r[k] - from_norm);
    dz.error[k] = 0x1p-23 * std::abs(got.scale[c]) * (std::abs(got.r[k]) + std::abs(from_norm));
    bias[c] += got.dz[k];
    size[c] += std::abs(got.dz[k]);
  }
  check_rows(got.dz, dz, 1e-6);
  for (int c = 0; c < width; ++c) CHECK(std::abs(got.in_bias[c] - bias[c]) <= 1e-6 * size[c]);
  Bounded h(got.gradient, width), message(loss.nodes, width);
  add_product(transposed(loss.weights.in, 0, width), 0, Bounded(got.dz, width), &rounding, h);
  check_rows(got.h, h, limit);
  auto of_nodes = got.dz;
  of_nodes.resize(static_cast<std::size_t>(loss.nodes) * width);
  add_product(transposed(loss.weights.in, width, width), 0, Bounded(of_nodes, width), &rounding,
              message);
  if (loss.nodes > 0) check_rows(got.message, message, limit);
}

/// Columns first to first + count - 1 of [rows, width].
std::vector<float> columns(const std::vector<float>& rows, int width, int first, int count) {
  std::vector<float> result;
  for (std::size_t row = 0; row < rows.size() / width; ++row) {
    const auto* const from = rows.data() + row * width + first;
    result.insert(result.end(), from, from + count);
  }
  return result;
}

void check_weights(const NodeLoss& loss, const NodeGradients& got, const OperandRounding& rounding,
                   double limit) {
  const int width = loss.width, scalars = loss.batch.scalars, inputs = 2 * width + scalars;
  Bounded y(loss.rows, width);
  for (int k = 0; k < loss.rows * width; ++k) {
    y.value[k] = std::max(0.0f, std::fma(got.z[k], got.scale[k % width], got.shift[k % width]));
  }
  const auto product = [&](const std::vector<float>& gradient, const Bounded& x) {
    return reference_product(gradient, x, width, &rounding);
  };
  check_rows(got.out, product(got.gradient, y), limit);
  check_rows(columns(got.in, inputs, 0, width), product(got.dz, Bounded(loss.batch.h, width)),
             limit);
  check_rows(columns(got.in, inputs, 2 * width, scalars),
             reference_product(got.dz, Bounded(loss.batch.features, scalars), width, nullptr),
             loss.rows > 3 ? 2e-6 : INFINITY);  // of few rows all cancels: only the bound holds
  check_rows(columns(got.in, inputs, width, width),
             product(got.dz, Bounded(loss.batch.message, width)), limit);
  const Bounded next_h(got.next_h, width);
  check_rows(got.receivers, product(loss.of_a, next_h), limit);
  check_rows(got.senders, product(loss.of_b, next_h), limit);
}

template <typename Op, int H>
void check_backward(const std::vector<int>& sizes, int scalars, bool ghost, bool last,
                    const OperandRounding& rounding, double limit) {
  INFO("H " << H << ", S " << scalars << ", " << sizes.size() << " jets, the first of " << sizes[0]
            << (ghost ? ", with a ghost" : "") << (last ? ", last layer" : ""));
  const NodeLoss loss(sizes, scalars, H, ghost);
  const NodeGradients got = BackwardRun<Op, H>(loss, last).run();
  check_out(loss, last, got, rounding, limit);
  check_in(loss, got, rounding, limit);
  if (last) return;
  CHECK(got.embedding == got.gradient);
  CHECK(got.embedding_bias == std::vector<double>(got.sums.begin() + 2 * H, got.sums.end()));
  CHECK(got.embedding_bias_gradient == as_floats(got.embedding_bias));
  check_weights(loss, got, rounding, limit);
}

template <typename Op>
void check_all_backward(const OperandRounding& rounding, double limit) {
  const auto check = [&](auto width) {
    constexpr int H = decltype(width)::value;
    for (const bool ghost : {false, true}) {
      check_backward<Op, H>({1, 2, 3, 15, 16, 17, 31, 33}, 2, ghost, !ghost, rounding, limit);
    }
    check_backward<Op, H>({3}, 1, false, false, rounding, limit);
    check_backward<Op, H>({64, 70}, 11, true, false, rounding, limit);  // two parts of weights
  };
  with_tested_widths(check);
}

/// Changes `values` by random amounts of size `step`. \return sum of gradient times them
template <typename T>
double move(std::vector<float>& values, const std::vector<T>& gradient, double step,
            std::mt19937& random) {
  std::normal_distribution<double> normal;
  double change = 0;
  REQUIRE(values.size() == gradient.size());
  for (std::size_t k = 0; k < values.size(); ++k) {
    const float before = values[k];
    values[k] = static_cast<float>(before + step * normal(random));
    change += (double{values[k]} - before) * gradient[k];
  }
  return change;
}

/// Each argument's gradient against the change of the loss when it moves both ways.
template <typename Op>
void check_differences(bool ghost, double limit) {
  constexpr int H = 24;
  const NodeLoss loss({3, 17, 33, 2}, 2, H, ghost);
  const NodeGradients got = BackwardRun<Op, H>(loss, false).run();
  const std::vector<double> beta(got.sums.begin(), got.sums.begin() + H),
      gamma(got.sums.begin() + H, got.sums.begin() + 2 * H),
      out_bias(got.sums.begin() + 2 * H, got.sums.end());
  const auto check = [&](const char* name, const auto& argument, const auto& gradient) {
    INFO(name << (ghost ? ", with a ghost" : ""));
    const double middle = loss.weights.hidden, step = 1e-3 / middle;
    std::mt19937 random(3), again(3);
    NodeLoss up = loss, down = loss;
    const double up_by = move(argument(up), gradient, step, random);
    const double down_by = move(argument(down), gradient, -step, again);
    const double change = up.forward() - down.forward();
    CHECK(std::abs(change - (up_by - down_by)) <= limit * std::abs(change));
  };
  check(
      "h", [](NodeLoss & of) -> auto& { return of.batch.h; }, got.h);
  check(
      "message", [](NodeLoss & of) -> auto& { return of.batch.message; }, got.message);
  check(
      "in", [](NodeLoss & of) -> auto& { return of.weights.in.weight; }, got.in);
  check(
      "gamma", [](NodeLoss & of) -> auto& { return of.weights.norm.weight; }, gamma);
  check(
      "beta", [](NodeLoss & of) -> auto& { return of.weights.norm.bias; }, beta);
  check(
      "out", [](NodeLoss & of) -> auto& { return of.weights.out.weight; }, got.out);
  check(
      "out bias", [](NodeLoss & of) -> auto& { return of.weights.out.bias; }, out_bias);
  check(
      "receivers", [](NodeLoss & of) -> auto& { return of.weights.receivers.weight; },
      got.receivers);
  check(
      "senders", [](NodeLoss & of) -> auto& { return of.weights.senders.weight; }, got.senders);
}

}  // namespace

TEST_CASE("backward nodes of the CUDA engine in float fragments") {
  with_exact([]<typename Op>() { check_all_backward<Op>({0, 0, 0, keep}, 1e-6); });
}

TEST_CASE("backward nodes of the CUDA engine in bf16x3") {
  check_all_backward<prim::Bf16x3>({0x1p-16, 0, 0x1p-16, keep}, 0x1p-15);
}

TEST_CASE("backward nodes of the CUDA engine in bf16") {
  check_all_backward<prim::Bf16>({0x1p-8, 0, 0, keep}, 0x1p-7);
}

TEST_CASE("backward nodes of the CUDA engine: differences of the loss") {
  for (const bool ghost : {false, true}) {
    with_exact([&]<typename Op>() { check_differences<Op>(ghost, 1e-3); });
    check_differences<prim::Bf16x3>(ghost, 2e-3);
  }
}

TEST_CASE("backward nodes of the CUDA engine: the same bits in any order of threads") {
  constexpr int H = 24;
  const NodeLoss loss({33, 64, 17, 50}, 3, H, true);
  const auto first = BackwardRun<prim::Bf16x3, H>(loss, false).run();
  in_all_orders([&](const std::string& order) {
    INFO(order);
    const auto got = BackwardRun<prim::Bf16x3, H>(loss, false).run();
    CHECK(got.gradient == first.gradient);
    CHECK(got.sums == first.sums);
    CHECK(got.dz == first.dz);
    CHECK(got.h == first.h);
    CHECK(got.message == first.message);
    CHECK(got.in == first.in);
    CHECK(got.in_bias == first.in_bias);
    CHECK(got.out == first.out);
    CHECK(got.receivers == first.receivers);
    CHECK(got.senders == first.senders);
  });
}

TEST_CASE("backward nodes of the CUDA engine: statistics that are not the batch's") {
  constexpr int H = 16;
  const NodeLoss loss({17, 33}, 2, H, true);
  const auto got = BackwardRun<prim::Bf16x3, H>(loss, false, /*count=*/0).run();
  for (std::size_t k = 0; k < got.dz.size(); ++k) {
    CHECK(std::abs(got.dz[k] - got.scale[k % H] * got.r[k]) <= 1e-6 * std::abs(got.dz[k]));
  }
}

TEST_CASE("backward nodes of the CUDA engine: NaN stays in its row") {
  constexpr int H = 24, kRow = 19;
  NodeLoss loss({16, 17}, 2, H, true);
  const auto want = BackwardRun<prim::Bf16x3, H>(loss, false).run();
  loss.of_h[kRow * H + 23] = NAN;
  const auto got = BackwardRun<prim::Bf16x3, H>(loss, false).run();
  for (int k = 0; k < loss.rows * H; ++k) {
    if (k / H != kRow) {
      CHECK(got.r[k] == want.r[k]);
    } else {
      CHECK(std::isnan(got.r[k]) == (std::fma(got.z[k], got.scale[k % H], got.shift[k % H]) > 0));
    }
  }
  for (int c = 0; c < H; ++c) {
    const double* const sum = &got.sums[c];
    CHECK(std::isnan(sum[0]) == std::isnan(got.r[kRow * H + c]));
    CHECK(std::isnan(sum[2 * H]) == (c == 23));
    CHECK(std::isnan(got.dz[c]) == std::isnan(sum[0]));
    CHECK(std::isnan(got.out[23 * H + c]));
    CHECK(std::isnan(got.out[c]) == false);
  }
}

TEST_CASE("parts of weights' gradients in the CUDA engine depend on the nodes alone") {
  for (const int nodes : {1, 127, 128, 129, 1000, 16384, 16385, 200000, 819200}) {
    const int rows = rows_of_part(nodes), parts = weight_parts(nodes);
    CHECK(rows % 16 == 0);
    CHECK(parts <= 128);
    CHECK(parts * rows >= nodes);
    CHECK((parts - 1) * rows < nodes);
  }
}

}  // namespace lorentznet::cuda
