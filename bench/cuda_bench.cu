// Speed of the CUDA kernels: jets of 50 nodes and the published network's shape, with
// drawn weights. Prints a line a measurement; needs nothing but the CUDA driver.
//
//   cuda_bench            all batches
#include <cstdio>
#include <functional>

#include "cuda/edge_reference.h"
#include "cuda_edge_bench.h"
#include "cuda_node_bench.h"
#include "engine/cuda/inference_of.h"
#include "random_network.h"

using namespace lorentznet;
using namespace lorentznet::cuda;

namespace {

constexpr int kNodes = 50, kHidden = 72, kLayers = 6, kScalars = 2;

void check(cudaError_t status) {
  if (status != cudaSuccess) throw std::runtime_error(cudaGetErrorString(status));
}

/// Milliseconds of `work`: the least of several measurements.
float milliseconds(const std::function<void()>& work) {
  cudaEvent_t begin, end;
  check(cudaEventCreate(&begin));
  check(cudaEventCreate(&end));
  work();
  float best = 1e9F;
  for (int k = 0; k < 5; ++k) {
    constexpr int kRepeats = 10;
    check(cudaEventRecord(begin));
    for (int repeat = 0; repeat < kRepeats; ++repeat) work();
    check(cudaEventRecord(end));
    check(cudaEventSynchronize(end));
    float time = 0;
    check(cudaEventElapsedTime(&time, begin, end));
    best = std::min(best, time / kRepeats);
  }
  check(cudaEventDestroy(begin));
  check(cudaEventDestroy(end));
  return best;
}

template <typename Op, int kRounds, bool kMoves>
void time_edges(const char* format, const JetsOfSizes& jets, int split) {
  using Kernel = EdgeForward<Op, kHidden, kRounds, kMoves>;
  const RandomLayer layer(kHidden, kMoves, 5);
  const auto packed = pack_edges<Op, kHidden>(layer.get());
  const DeviceArray<int2> span(jets.span);
  const DeviceArray<float> a(jets.a), b(jets.b), biases(packed.biases);
  const DeviceArray<double> x(jets.x);
  const DeviceArray<typename Op::Pair> weights(packed.fragments);
  DeviceArray<float> message(jets.a.size());
  DeviceArray<double> translation(jets.x.size());
  const auto plan = plan_edges<Kernel>(jets.offsets, split);
  const typename Kernel::Params params{.nodes = jets.nodes(),
                                       .split = split,
                                       .window = plan.window,
                                       .span = span.get(),
                                       .a = a.get(),
                                       .b = b.get(),
                                       .x = x.get(),
                                       .weights = weights.get(),
                                       .biases = biases.get(),
                                       .gate_bias = packed.gate_bias,
                                       .message = message.get(),
                                       .translation = translation.get()};
  const float time =
      milliseconds([&] { prim::launch<Kernel>({}, plan.grid, plan.shared_bytes, params); });
  int blocks = 0;
  cudaFuncAttributes attributes;
  check(cudaFuncGetAttributes(&attributes, prim::detail::start<Kernel>));
  check(cudaOccupancyMaxActiveBlocksPerMultiprocessor(&blocks, prim::detail::start<Kernel>,
                                                      Kernel::kThreads, plan.shared_bytes));
  const double edges = static_cast<double>(jets.nodes()) * (kNodes - 1);
  std::printf(
      "edges %-6s rounds %d moves %d split %d: %7.4f ms, %.3f ns an edge (%d registers, %zu bytes "
      "local, %lu shared, %d blocks)\n",
      format, kRounds, kMoves, split, time, time * 1e6 / edges, attributes.numRegs,
      attributes.localSizeBytes, plan.shared_bytes, blocks);
}

void time_inference(const Network<float>& network, Precision precision, int jets) {
  std::vector<int> offsets{0};
  std::vector<double> momenta;
  std::vector<float> scalars;
  const std::vector<float> n_nodes(static_cast<std::size_t>(jets), kNodes);
  for (int k = 0; k < jets; ++k) {
    const auto jet = test::random_jet(kNodes, kScalars, 7);
    offsets.push_back(offsets.back() + kNodes);
    momenta.insert(momenta.end(), jet.x.begin(), jet.x.end());
    scalars.insert(scalars.end(), jet.scalars.begin(), jet.scalars.end());
  }
  const DeviceArray<int> on_offsets(offsets);
  const DeviceArray<double> on_momenta(momenta);
  const DeviceArray<float> on_scalars(scalars), on_n_nodes(n_nodes);
  DeviceArray<float> logits(static_cast<std::size_t>(jets) * 2);
  const auto inference = make_inference(network.packed(), precision);
  const JetBatch batch{.host_offsets = offsets,
                       .offsets = on_offsets.get(),
                       .momenta = on_momenta.get(),
                       .scalars = on_scalars.get(),
                       .n_nodes = on_n_nodes.get(),
                       .logits = logits.get()};
  const float time = milliseconds([&] { inference->run(batch); });
  std::printf("inference %s, batches of %d: %.3f ms, %.0f jets/s\n",
              precision == Precision::kFloat ? "f16x3" : "f16", jets, time, jets / time * 1e3);
}

}  // namespace

int main() {
  cudaDeviceProp device;
  check(cudaGetDeviceProperties(&device, 0));
  std::printf("%s, %d multiprocessors\n", device.name, device.multiProcessorCount);
  const lorentznet::NetworkShape shape{
      .scalars = kScalars, .hidden = kHidden, .classes = 2, .layers = kLayers};
  const Network<float> network(test::random_state(shape), 5e-3, Isa::kPortable, "the network");
  for (const int jets : {32, 512, 4096}) {
    time_inference(network, Precision::kFloat, jets);
    time_inference(network, Precision::kHalf, jets);
    const JetsOfSizes batch(std::vector<int>(static_cast<std::size_t>(jets), kNodes), kHidden);
    for (const int split : {1, 2, 4}) {
      time_edges<prim::F16x3, 2, true>("f16x3", batch, split);
      time_edges<prim::F16, 2, true>("f16", batch, split);
    }
    time_edges<prim::F16x3, 2, false>("f16x3", batch, 1);
    time_edges<prim::F16x3, 1, true>("f16x3", batch, 1);
    time_edges<prim::Bf16x3, 2, true>("bf16x3", batch, 1);
    time_edge_training<prim::Bf16x3, kHidden, true>("bf16x3", batch, milliseconds);
    time_edge_training<prim::Bf16x3, kHidden, false>("bf16x3", batch, milliseconds);
    time_edge_training<prim::Bf16, kHidden, true>("bf16", batch, milliseconds);
    NodeBench<prim::Bf16x3, kHidden>(jets, kScalars, milliseconds).run("bf16x3");
    NodeBench<prim::Bf16, kHidden>(jets, kScalars, milliseconds).run("bf16");
  }
}
