#include "engine/cuda/node_training.h"

#include <catch2/catch.hpp>
#include <cstring>

#include "cuda_primitives.h"
#include "device_array.h"
#include "device_orders.h"
#include "engine/cuda/pack_nodes.h"
#include "row_checks.h"
#include "tested_widths.h"
#include "training_weights.h"

namespace lorentznet::cuda {
namespace {

/// What the kernels of the forward pass write.
struct TrainingOutput {
  std::vector<double> sums, mean, inverse_sigma;
  std::vector<float> z, h, a, b, running_mean, running_variance;
  std::vector<double> x;
  std::vector<std::int64_t> batches;
};

constexpr float kRunningMean = 0.25f, kRunningVariance = 2;

/// \param ghost      the batch's last node is the ghost, without a message
/// \param norm_here  not in a launch of its own, as with several ranks
template <typename Op, int H>
TrainingOutput run_training(const TrainingWeights& weights, const NodeBatch& batch, bool ghost,
                            bool norm_here = true) {
  const int nodes = batch.nodes;
  const auto packed =
      pack_update<Op, H>(weights.in.weight.data(), weights.in.bias.data(),
                         weights.out.weight.data(), weights.out.bias.data(), batch.scalars);
  const DeviceArray<typename Op::Pair> fragments(packed.weights),
      projection(
          pack_projection<Op, H>(weights.receivers.weight.data(), weights.senders.weight.data()));
  const DeviceArray<float> vectors(packed.vectors), h(batch.h), features(batch.features);
  auto of_nodes = batch.message;
  if (ghost) of_nodes.resize(of_nodes.size() - H);
  const DeviceArray<float> message(of_nodes);
  DeviceArray<float> z(batch.h.size()), to(batch.h.size()), a(batch.h.size()), b(batch.h.size());

  using Hidden = NodeHidden<Op, H>;
  const int blocks = static_cast<int>(Hidden::blocks(nodes));
  DeviceArray<double> partial(block_rows(blocks) * 2 * H);
  DeviceArray<unsigned> tickets(std::vector<unsigned>(block_tickets(blocks)));
  DeviceArray<double> sums(2 * H + 1);
  const DeviceArray<float> gamma(weights.norm.weight), beta(weights.norm.bias);
  DeviceArray<float> running_mean(std::vector<float>(H, kRunningMean));
  DeviceArray<float> running_variance(std::vector<float>(H, kRunningVariance));
  DeviceArray<std::int64_t> batches(std::vector<std::int64_t>{41});
  DeviceArray<double> mean(H), inverse_sigma(H);
  DeviceArray<float> scale(H), shift(H);
  const NormOfBatch::Params norm{H,
                                 sums.get(),
                                 {gamma.get(), beta.get(), running_mean.get(),
                                  running_variance.get(), batches.get(), kEpsilon, kMomentum},
                                 {mean.get(), inverse_sigma.get(), scale.get(), shift.get()}};
  prim::launch<Hidden>({}, blocks, 0,
                       {nodes,
                        batch.scalars,
                        ghost,
                        kGhostWeight,
                        h.get(),
                        message.get(),
                        features.get(),
                        fragments.get(),
                        vectors.get(),
                        vectors.get() + 2 * H,
                        z.get(),
                        {partial.get(), tickets.get(), sums.get()},
                        norm,
                        /*alone=*/norm_here});
  CHECK(tickets.download() == std::vector<unsigned>(block_tickets(blocks)));
  if (!norm_here) prim::launch<NormOfBatch>({}, 1, 0, norm);

  using Output = NodeOutput<Op, H, false>;
  const auto* const out = fragments.get() + 2 * kMatrixFragments<H>;
  const DeviceArray<int2> span(spans_of(batch));
  const DeviceArray<double> translation(batch.translation), from(batch.x);
  DeviceArray<double> x(4 * static_cast<std::size_t>(nodes - ghost));
  typename Output::Params params{
      nodes,
      h.get(),
      z.get(),
      scale.get(),
      shift.get(),
      out,
      vectors.get() + H,
      to.get(),
      {projection.get(), nullptr, a.get(), b.get()},
      {nodes - ghost, kWeight, span.get(), translation.get(), from.get(), x.get()}};
  prim::launch<Output>({}, Output::blocks(nodes), 0, params);
  TrainingOutput result{sums.download(), mean.download(),         inverse_sigma.download(),
                        z.download(),    to.download(),           a.download(),
                        b.download(),    running_mean.download(), running_variance.download(),
                        x.download(),    batches.download()};
  using LastOutput = NodeOutput<Op, H, true>;
  DeviceArray<float> last(batch.h.size());
  prim::launch<LastOutput>({}, LastOutput::blocks(nodes), 0,
                           {nodes,
                            h.get(),
                            z.get(),
                            scale.get(),
                            shift.get(),
                            out,
                            vectors.get() + H,
                            last.get(),
                            {},
                            {}});
  CHECK(last.download() == result.h);
  return result;
}

/// The statistics, of the z that the kernel wrote.
void check_norm(const TrainingOutput& got, const TrainingWeights& weights, int nodes, bool ghost) {
  const int width = weights.hidden;
  const double count = ghost ? nodes - 1 + kGhostWeight : nodes;
  CHECK(got.sums[2 * width] == count);
  CHECK(got.batches[0] == (count > 1 ? 42 : 41));
  for (int c = 0; c < width; ++c) {
    double mean = 0, squares = 0;
    for (int i = 0; i < nodes; ++i) {
      const double z = got.z[i * width + c], weight = ghost && i == nodes - 1 ? kGhostWeight : 1;
      mean += weight * z / count;
      squares += weight * z * z / count;
    }
    const double variance = std::max(0.0, squares - mean * mean);
    CHECK(std::abs(got.mean[c] - mean) <= 1e-12 * std::sqrt(squares));
    const double sigma = std::sqrt(variance + kEpsilon);
    CHECK(std::abs(got.inverse_sigma[c] * sigma - 1) <= 1e-9 * squares / (sigma * sigma));
    if (!(count > 1)) {
      CHECK(got.running_mean[c] == kRunningMean);
      CHECK(got.running_variance[c] == kRunningVariance);
      continue;
    }
    CHECK(got.running_mean[c] == Approx(0.9 * kRunningMean + 0.1 * mean).margin(1e-6));
    CHECK(got.running_variance[c] ==
          Approx(0.9 * kRunningVariance + 0.1 * variance * count / (count - 1)).margin(1e-6));
  }
}

/// h + out relu(norm(z)) + bias from the z that the kernel wrote.
Bounded reference_output(const TrainingOutput& got, const TrainingWeights& weights,
                         const NodeBatch& batch, const OperandRounding& rounding) {
  const int width = batch.hidden;
  Bounded y(batch.nodes, width);
  for (std::size_t k = 0; k < y.value.size(); ++k) {
    const int c = static_cast<int>(k % width);
    const double scale = weights.norm.weight[c] * got.inverse_sigma[c];
    const double term = scale * got.z[k], shift = weights.norm.bias[c] - scale * got.mean[c];
    y.value[k] = term + shift;
    y.error[k] = 0x1p-22 * (std::abs(term) + std::abs(shift));
  }
  relu_rows(y);
  return reference_residual(weights.out, batch, y, rounding);
}

template <typename Op, int H>
void check_training(const std::vector<int>& sizes, int scalars, bool ghost,
                    const OperandRounding& rounding, double limit) {
  INFO("H " << H << ", S " << scalars << ", " << sizes.size() << " jets, the first of " << sizes[0]
            << (ghost ? ", with a ghost" : ""));
  const TrainingWeights weights(H, scalars);
  const NodeBatch batch(sizes, scalars, H);
  const TrainingOutput got = run_training<Op, H>(weights, batch, ghost);
  auto message = batch.message;
  if (ghost) std::fill(message.end() - H, message.end(), 0.0f);
  check_rows(got.z, reference_hidden(weights.in, batch, message, rounding), limit);
  check_norm(got, weights, batch.nodes, ghost);
  check_coordinates(got.x, batch, batch.nodes - ghost);
  const Bounded h = reference_output(got, weights, batch, rounding);
  // z scale and shift of a single row cancel: only the bound holds.
  const double of_h = batch.nodes > 1 ? limit : INFINITY;
  check_rows(got.h, h, of_h);
  for (const auto& [layer, rows] :
       {std::pair{&weights.receivers, &got.a}, {&weights.senders, &got.b}}) {
    Bounded want = begin_with_bias(*layer, batch.nodes);
    add_product(*layer, 0, h, &rounding, want);
    check_rows(*rows, want, of_h);
  }
}

template <typename Op>
void check_all_training(const OperandRounding& rounding, double limit) {
  const auto check = [&](auto width) {
    constexpr int H = decltype(width)::value;
    for (const bool ghost : {false, true}) {
      check_training<Op, H>({1, 2, 3, 15, 16, 17, 31, 33}, 2, ghost, rounding, limit);
    }
    for (const int n : {1, 2, 17, 33, 64}) check_training<Op, H>({n}, 8, false, rounding, limit);
    check_training<Op, H>({1}, 64, true, rounding, limit);  // the ghost alone
  };
  with_tested_widths(check);
}

}  // namespace

TEST_CASE("nodes of the CUDA engine in training in float fragments") {
  with_exact([]<typename Op>() { check_all_training<Op>({0, 0, 0, keep}, 1e-6); });
}

TEST_CASE("nodes of the CUDA engine in training in bf16x3") {
  check_all_training<prim::Bf16x3>({0x1p-16, 0, 0x1p-16, keep}, 0x1p-15);
}

TEST_CASE("nodes of the CUDA engine in training in bf16") {
  check_all_training<prim::Bf16>({0x1p-8, 0, 0, keep}, 0x1p-7);
}

TEST_CASE("nodes of the CUDA engine in training: the same bits in any order of threads") {
  const TrainingWeights weights(24, 2);
  const NodeBatch batch({33, 64, 200, 199, 17}, 2, 24);
  const auto first = run_training<prim::Bf16x3, 24>(weights, batch, true);
  in_all_orders([&](const std::string& order) {
    INFO(order);
    const auto got = run_training<prim::Bf16x3, 24>(weights, batch, true, order != "descending");
    CHECK(got.sums == first.sums);
    CHECK(got.mean == first.mean);
    CHECK(got.z == first.z);
    CHECK(got.h == first.h);
    CHECK(got.a == first.a);
    CHECK(got.b == first.b);
    CHECK(got.running_variance == first.running_variance);
  });
}

}  // namespace lorentznet::cuda
