#include "engine/infer_jet.h"
#include "engine/pack_layer.h"
#include "engine/simd_avx512_bf16.h"

namespace lorentznet::fused {
namespace {

class Bf16Engine final : public InferenceEngine<float> {
 public:
  void pack(const LayerParameters<float>& p, PackedLayer<float>& to) const override {
    pack_layer<Avx512Bf16>(p, to);
  }
  void pack_dot(const float* weight, int outputs, int inputs, float* packed) const override {
    pack_joined<Avx512Bf16Dot>(weight, outputs, inputs, packed);
  }
  void pack_product(const float* weight, int outputs, int inputs, float* packed) const override {
    pack_weights<Avx512Bf16>(weight, inputs, 1, outputs, inputs, packed);
  }
  void infer(const PackedNetwork<float>& network, const JetNodes<float>& jet,
             float* logits) const override {
    JetInference<Avx512Bf16>(network, jet).run(logits);
  }
};

}  // namespace

const InferenceEngine<float>& avx512_bf16_engine() {
  static const Bf16Engine engine;
  return engine;
}

}  // namespace lorentznet::fused
