// Prints what the host gives each CUDA kernel: its name, the threads of a block and the bytes of
// dynamic shared memory, for jets of 50 nodes where these matter. Compiled with the emulator's
// primitives by scripts/cuda_resources.py; no kernel runs.
#include <cstdio>
#include <string_view>
#include <type_traits>
#include <vector>

#include "cuda_primitives.h"
#include "engine/cuda/inference_of.h"
#include "engine/cuda/training_of.h"
#include "engine/cuda/widths.h"
#include "product_kernel.h"

namespace lorentznet::cuda {
namespace {

constexpr int kJetNodes = 50, kSplit = 4;  // the split of inference_of.h and training_forward.h

template <class Kernel>
std::string_view name() {
  const std::string_view text = __PRETTY_FUNCTION__;
  constexpr std::string_view kBefore = "Kernel = ";
  const auto begin = text.find(kBefore) + kBefore.size();
  return text.substr(begin, text.find_first_of(";]", begin) - begin);
}

template <class Kernel>
void print(unsigned long shared_bytes) {
  std::printf("%.*s\t%d\t%lu\n", static_cast<int>(name<Kernel>().size()), name<Kernel>().data(),
              Kernel::kThreads, shared_bytes);
}

template <class... Kernels>
void print_each() {
  const auto of = []<class Kernel>(std::type_identity<Kernel>) {
    if constexpr (requires { Kernel::shared_bytes(); }) {
      print<Kernel>(Kernel::shared_bytes());
    } else {
      print<Kernel>(0);
    }
  };
  (of(std::type_identity<Kernels>{}), ...);
}

template <class... Kernels>
void print_edges() {
  std::vector<int> offsets;
  for (int jet = 0; jet <= 16; ++jet) offsets.push_back(jet * kJetNodes);
  (print<Kernels>(plan_edges<Kernels>(offsets, kSplit).shared_bytes), ...);
}

template <int H>
constexpr int kRounds = H <= 72 ? 2 : 1;  // of inference_of.h and training_forward.h

template <typename Op, int H>
void print_inference() {
  print_each<Encode<Op, H>, NodeForward<Op, H, false>, NodeForward<Op, H, true>>();
  print_edges<EdgeForward<Op, H, kRounds<H>, true>, EdgeForward<Op, H, kRounds<H>, false>>();
}

template <typename Op, int H>
void print_training() {
  print_each<PackNetwork<Op, H>, EncodeForward<Op, H>, NodeHidden<Op, H>, NodeOutput<Op, H, false>,
             NodeOutput<Op, H, true>, NodeBackwardOut<Op, H, false>, NodeBackwardOut<Op, H, true>,
             NodeBackwardIn<Op, H>, EdgeBackward<Op, H, true>, EdgeBackward<Op, H, false>,
             WeightGradient<Op, H>, EncodeBackward<Op, H>>();
  print_edges<EdgeForward<Op, H, kRounds<H>, true, true>,
              EdgeForward<Op, H, kRounds<H>, false, true>>();
}

template <int H>
void print_width() {
  print_inference<prim::F16, H>();
  print_inference<prim::F16x3, H>();
  print_training<prim::Bf16, H>();
  print_training<prim::Bf16x3, H>();
  print_each<Pool<H, false>, Pool<H, true>, DecodeBackward<H>, EdgeStatistics<H>,
             EdgeNormGradients<H>, EdgeReduction<H, true>, EdgeReduction<H, false>>();
  print<EdgeInputGradients<H>>(EdgeInputGradients<H>::shared_bytes(kJetNodes));
}

}  // namespace
}  // namespace lorentznet::cuda

int main() {
  using namespace lorentznet::cuda;
  emu::options.redzone = 0;
  print_each<AddPartials, NormOfBatch, ScoreJets, Product<prim::F16, 72>,
             Product<prim::F16x3, 72>>();
  with_each_width([]<int H>(std::integral_constant<int, H>) { print_width<H>(); });
}
