// Compiled by nvcc: the kernels of inference for each width and precision.
#include <stdexcept>

#include "engine/cuda/inference_of.h"

namespace lorentznet::cuda {
namespace {

constexpr int kMostScalars = 64;

/// f(std::integral_constant<int, H>) for the width `hidden`; whether there is one.
template <typename F>
bool with_width(int hidden, const F& f) {
  const auto one_of = [&]<int... kWidths>(std::integer_sequence<int, kWidths...>) {
    return ((hidden == kWidths && (f(std::integral_constant<int, kWidths>{}), true)) || ...);
  };
  return one_of(std::integer_sequence<int, 16, 24, 32, 48, 72, 96, 128>{});
}

}  // namespace

std::string why_no_inference(int hidden, int scalars) {
  if (!with_width(hidden, [](auto) {})) {
    return "n_hidden " + std::to_string(hidden) + " is none of 16, 24, 32, 48, 72, 96, 128";
  }
  if (scalars > kMostScalars) {
    return std::to_string(scalars) + " scalars, more than " + std::to_string(kMostScalars);
  }
  return "";
}

std::unique_ptr<Inference> make_inference(const fused::PackedNetwork<float>& network,
                                          Precision precision) {
  const auto obstacle = why_no_inference(network.hidden, network.scalars);
  if (!obstacle.empty()) throw std::invalid_argument(obstacle);
  std::unique_ptr<Inference> inference;
  with_width(network.hidden, [&]<int H>(std::integral_constant<int, H>) {
    if (precision == Precision::kFloat) {
      inference = std::make_unique<InferenceOf<prim::F16x3, H>>(network);
    } else {
      inference = std::make_unique<InferenceOf<prim::F16, H>>(network);
    }
  });
  return inference;
}

}  // namespace lorentznet::cuda
