#include <catch2/catch.hpp>
#include <cstring>

#include "cuda_primitives.h"
#include "device_array.h"
#include "device_orders.h"
#include "engine/cuda/node_training.h"
#include "engine/cuda/pack_nodes.h"
#include "node_batch.h"
#include "row_checks.h"
#include "tested_widths.h"

namespace lorentznet::cuda {
namespace {

/// The weights around the edges of a layer.
struct NodeWeights {
  int hidden, scalars;
  std::mt19937 random{5};
  Linear embedding{scalars, hidden, scalars, random};
  Linear in{2 * hidden + scalars, hidden, scalars, random};
  Linear out{hidden, hidden, 0, random};
  Linear receivers{hidden, hidden, 0, random};
  Linear senders{hidden, hidden, 0, random};

  NodeWeights(int h, int s) : hidden(h), scalars(s) { senders.bias.assign(h, 0); }
};

/// What Encode and NodeForward write; those of which a kernel has no say are empty.
struct NodeRows {
  std::vector<int2> span;
  std::vector<double> x;
  std::vector<float> h, a, b;
};

template <typename Op, int H>
class NodeRun {
 public:
  NodeRun(const NodeWeights& weights, const NodeBatch& batch)
      : weights_(weights),
        batch_(batch),
        offsets_(batch.offsets),
        features_(batch.features),
        projection_(
            pack_projection<Op, H>(weights.receivers.weight.data(), weights.senders.weight.data())),
        receiver_bias_(weights.receivers.bias),
        a_(batch.h.size()),
        b_(batch.h.size()) {}

  /// With a ghost as in training, where the kernel also converts the nodes' scalars.
  NodeRows encode(bool ghost = false) {
    const DeviceArray<double> momenta(batch_.x);
    const DeviceArray<double> doubles(std::vector<double>(
        batch_.features.begin(), batch_.features.end() - (ghost ? batch_.scalars : 0)));
    DeviceArray<float> converted(batch_.features.size());
    const DeviceArray<float> embedding(pack_embedding<H>(
        weights_.embedding.weight.data(), weights_.embedding.bias.data(), batch_.scalars));
    DeviceArray<int2> span(batch_.nodes - ghost);
    DeviceArray<double> x(batch_.x.size());
    DeviceArray<float> h(batch_.h.size());
    const auto blocks = Encode<Op, H>::blocks(batch_.nodes);
    const typename Encode<Op, H>::Params params{
        batch_.nodes,    batch_.jets(), batch_.scalars,
        offsets_.get(),  momenta.get(), ghost ? converted.get() : features_.get(),
        embedding.get(), projection(),  span.get(),
        x.get(),         h.get(),       ghost};
    if (ghost) {
      prim::launch<EncodeForward<Op, H>>({}, blocks, 0, {params, doubles.get(), converted.get()});
      CHECK(converted.download() == batch_.features);
    } else {
      prim::launch<Encode<Op, H>>({}, blocks, 0, params);
    }
    return {span.download(), x.download(), h.download(), a_.download(), b_.download()};
  }

  template <bool Last>
  NodeRows update() {
    const DeviceArray<float> message(batch_.message);
    DeviceArray<float> h(batch_.h);
    const auto packed =
        pack_update<Op, H>(weights_.in.weight.data(), weights_.in.bias.data(),
                           weights_.out.weight.data(), weights_.out.bias.data(), batch_.scalars);
    const DeviceArray<typename Op::Pair> fragments(packed.weights);
    const DeviceArray<float> vectors(packed.vectors);
    const DeviceArray<int2> span(spans_of(batch_));
    const DeviceArray<double> translation(batch_.translation);
    DeviceArray<double> x(batch_.x);
    using Kernel = NodeForward<Op, H, Last>;
    typename Kernel::Params params{.nodes = batch_.nodes,
                                   .scalars = batch_.scalars,
                                   .message = message.get(),
                                   .features = features_.get(),
                                   .weights = fragments.get(),
                                   .vectors = vectors.get(),
                                   .h = h.get(),
                                   .next = {},
                                   .c_weight = 0,
                                   .span = nullptr,
                                   .translation = nullptr,
                                   .x = nullptr};
    if (!Last) {
      params.next = projection();
      params.c_weight = kWeight;
      params.span = span.get();
      params.translation = translation.get();
      params.x = x.get();
    }
    prim::launch<Kernel>({}, Kernel::blocks(batch_.nodes), 0, params);
    if (Last) return {{}, {}, h.download(), {}, {}};
    return {{}, x.download(), h.download(), a_.download(), b_.download()};
  }

 private:
  Projection<Op> projection() {
    return {projection_.get(), receiver_bias_.get(), a_.get(), b_.get()};
  }

  const NodeWeights& weights_;
  const NodeBatch& batch_;
  DeviceArray<int> offsets_;
  DeviceArray<float> features_;
  DeviceArray<typename Op::Pair> projection_;
  DeviceArray<float> receiver_bias_;
  DeviceArray<float> a_, b_;
};

// ---- the definition ----

Bounded reference_embedding(const NodeWeights& weights, const NodeBatch& batch) {
  Bounded h = begin_with_bias(weights.embedding, batch.nodes);
  add_product(weights.embedding, 0, Bounded(batch.features, batch.scalars), nullptr, h);
  return h;
}

Bounded reference_update(const NodeWeights& weights, const NodeBatch& batch,
                         const OperandRounding& rounding) {
  Bounded y = reference_hidden(weights.in, batch, batch.message, rounding);
  relu_rows(y);
  return reference_residual(weights.out, batch, y, rounding);
}

Bounded reference_product(const Linear& layer, const Bounded& h, const OperandRounding& rounding) {
  Bounded out = begin_with_bias(layer, h.rows());
  add_product(layer, 0, h, &rounding, out);
  return out;
}

struct NodeReference {
  Bounded h, a, b;
  NodeReference(const NodeWeights& weights, Bounded of_h, const OperandRounding& rounding)
      : h(std::move(of_h)),
        a(reference_product(weights.receivers, h, rounding)),
        b(reference_product(weights.senders, h, rounding)) {}
};

/// \param limit  of the error against the definition \param alike  against one that rounds alike
void check_against(const NodeRows& got, const NodeReference& exact, double limit,
                   const NodeReference& rounded, double alike) {
  check_rows(got.h, exact.h, limit);
  CHECK(relative_rms(got.h, rounded.h.value) <= alike);
  if (got.a.empty()) return;
  check_rows(got.a, exact.a, limit);
  check_rows(got.b, exact.b, limit);
  CHECK(relative_rms(got.a, rounded.a.value) <= alike);
  CHECK(relative_rms(got.b, rounded.b.value) <= alike);
}

template <typename Op, int H>
void check_nodes(const std::vector<int>& sizes, int scalars, OperandRounding rounding, double limit,
                 double alike) {
  INFO("H " << H << ", S " << scalars << ", " << sizes.size() << " jets, the first of "
            << sizes[0]);
  const NodeWeights weights(H, scalars);
  const NodeBatch batch(sizes, scalars, H);
  NodeRun<Op, H> run(weights, batch);
  OperandRounding as_op = rounding;
  as_op.round = round_to<Op>;

  const Bounded embedded = reference_embedding(weights, batch);
  const NodeRows encoded = run.encode();
  check_against(encoded, {weights, embedded, rounding}, limit, {weights, embedded, as_op}, alike);
  CHECK(encoded.x == batch.x);
  const auto same = [](int2 a, int2 b) { return a.x == b.x && a.y == b.y; };
  const auto spans = spans_of(batch);
  CHECK(std::equal(spans.begin(), spans.end(), encoded.span.begin(), encoded.span.end(), same));

  const NodeReference exact(weights, reference_update(weights, batch, rounding), rounding);
  const NodeReference rounded(weights, reference_update(weights, batch, as_op), as_op);
  const NodeRows updated = run.template update<false>();
  check_against(updated, exact, limit, rounded, alike);
  check_coordinates(updated.x, batch, batch.nodes);
  CHECK(run.template update<true>().h == updated.h);
}

const std::vector<int> kSizes{1, 2, 3, 15, 16, 17, 31, 33};

template <typename Op>
void check_all_nodes(const OperandRounding& rounding, double limit, double alike) {
  const auto check = [&](auto width) {
    constexpr int H = decltype(width)::value;
    for (const int scalars : {1, 2, 8, 64}) {
      check_nodes<Op, H>(kSizes, scalars, rounding, limit, alike);
    }
    for (const int n : kSizes) check_nodes<Op, H>({n}, 2, rounding, limit, alike);
  };
  with_tested_widths(check);
}

/// The rows of a jet are the same bits.
template <typename T>
bool same_jet(const std::vector<T>& one, int at, const std::vector<T>& other, int other_at, int n,
              int width) {
  return std::memcmp(&one[at * width], &other[other_at * width], n * width * sizeof(T)) == 0;
}

}  // namespace

TEST_CASE("nodes of the CUDA engine in float fragments") {
  with_exact([]<typename Op>() { check_all_nodes<Op>({0, 0, 0, keep}, 1e-6, 1e-6); });
}

TEST_CASE("nodes of the CUDA engine in f16x3") {
  // hi + lo: 22 bits, no less than a step of f16's smallest numbers; rest times rest is left out.
  // Tensor cores cut off the ends of their sums: 1.14e-6 on an H200 where the emulator has 0.9e-6.
  check_all_nodes<prim::F16x3>({0x1p-22, 0x1p-25, 0x1p-22, keep}, 1.5e-6, 1.5e-6);
}

TEST_CASE("nodes of the CUDA engine in f16") {
  // Against the reference that rounds alike: the few numbers that fall to the other side of a tie,
  // more of them on a GPU, whose sums are cut off.
  check_all_nodes<prim::F16>({0x1p-11, 0x1p-25, 0, keep}, 0x1p-10, 0x1p-12);
}

TEST_CASE("nodes of the CUDA engine: the same bits in any batch, place and order of threads") {
  constexpr int H = 24, kScalars = 2;
  using Op = prim::F16x3;
  const NodeWeights weights(H, kScalars);
  const NodeBatch batch({33, 2, 17}, kScalars, H);
  NodeRun<Op, H> run(weights, batch);
  const NodeRows encoded = run.encode(), updated = run.update<false>();
  const NodeBatch other({1, 17, 16, 33, 2, 3}, kScalars, H);
  const int jets[][3] = {{0, 34, 33}, {33, 67, 2}, {35, 1, 17}};  // first node here, there, size
  in_all_orders([&](const std::string& order) {
    INFO(order);
    NodeRun<Op, H> other_run(weights, other);
    const NodeRows others[] = {other_run.encode(), other_run.update<false>()};
    for (const auto& [here, there, n] : jets) {
      for (int k = 0; k < 2; ++k) {
        const NodeRows& one = k ? updated : encoded;
        CHECK(same_jet(one.h, here, others[k].h, there, n, H));
        CHECK(same_jet(one.a, here, others[k].a, there, n, H));
        CHECK(same_jet(one.b, here, others[k].b, there, n, H));
        CHECK(same_jet(one.x, here, others[k].x, there, n, 4));
      }
    }
  });
}

TEST_CASE("nodes of the CUDA engine: a ghost row belongs to no jet") {
  constexpr int H = 24, kScalars = 2;
  using Op = prim::Bf16x3;
  const NodeWeights weights(H, kScalars);
  NodeBatch all({32, 33, 1}, kScalars, H);
  std::fill_n(all.features.end() - kScalars, kScalars, 0.0F);  // the ghost's
  NodeBatch batch = all;
  batch.offsets.pop_back();
  batch.x.resize(batch.x.size() - 4);  // it has no momentum
  const NodeRows want = NodeRun<Op, H>(weights, all).encode();
  const NodeRows got = NodeRun<Op, H>(weights, batch).encode(/*ghost=*/true);
  CHECK(got.h == want.h);
  CHECK(got.a == want.a);
  CHECK(got.b == want.b);
  CHECK(got.x == batch.x);
  for (int i = 0; i < batch.nodes - 1; ++i) {
    CHECK(got.span[i].x == want.span[i].x);
    CHECK(got.span[i].y == want.span[i].y);
  }
}

TEST_CASE("nodes of the CUDA engine: NaN stays in its row") {
  constexpr int H = 24, kScalars = 2, kRow = 19;
  using Op = prim::F16x3;
  const NodeWeights weights(H, kScalars);
  const NodeBatch clean({16, 17}, kScalars, H);
  const auto check = [&](const auto& spoil) {
    NodeBatch batch = clean;
    spoil(batch);
    const NodeRows want = NodeRun<Op, H>(weights, clean).update<false>();
    const NodeRows got = NodeRun<Op, H>(weights, batch).update<false>();
    for (int row = 0; row < clean.nodes; ++row) {
      if (row == kRow) continue;
      CHECK(same_jet(got.h, row, want.h, row, 1, H));
      CHECK(same_jet(got.a, row, want.a, row, 1, H));
      CHECK(same_jet(got.b, row, want.b, row, 1, H));
      CHECK(same_jet(got.x, row, want.x, row, 1, 4));
    }
    for (int c = 0; c < H; ++c) {
      CHECK(std::isnan(got.h[kRow * H + c]));
      CHECK(std::isnan(got.a[kRow * H + c]));
      CHECK(std::isnan(got.b[kRow * H + c]));
    }
  };
  check([](NodeBatch& batch) { batch.h[kRow * H + 23] = NAN; });
  check([](NodeBatch& batch) { batch.message[kRow * H] = NAN; });
  check([](NodeBatch& batch) { batch.features[kRow * kScalars + 1] = NAN; });
}

}  // namespace lorentznet::cuda
