#pragma once

#include <cstdint>
#include <limits>
#include <memory>

#include "lorentznet/edge_kernel.h"

namespace lorentznet {

/// How many translations (x_i - x_j) phi_x(m_ij) reach the bound of 100 GeV in a component, where
/// they are clamped and the symmetry breaks.
struct TranslationCount {
  std::int64_t edges = 0;    ///< of all layers that move coordinates
  std::int64_t clamped = 0;  ///< of them
  double fraction() const {
    return edges == 0 ? 0 : static_cast<double>(clamped) / static_cast<double>(edges);
  }
};

/// What becomes of the translations.
struct TranslationRule {
  /// Translations stay within this [GeV], as in the published program. Infinite: no clamp, and the
  /// network is invariant to rounding.
  static constexpr double kBound = 100;
  double bound = kBound;
  std::shared_ptr<TranslationCount> count = nullptr;  ///< to add to, of those beyond kBound
};

/// The plain kernel, looked into: it counts clamped translations, and can leave out the clamp.
class TranslationStudyKernel final : public EdgeKernel {
 public:
  explicit TranslationStudyKernel(TranslationRule rule) : rule_(std::move(rule)) {}

  EdgeSums forward(const EdgeParameters& parameters, const at::Tensor& h, const at::Tensor& x,
                   const JetGraph& graph) const override;

 private:
  TranslationRule rule_;
};

/// The bound that leaves translations as they are.
constexpr double kNoBound = std::numeric_limits<double>::infinity();

}  // namespace lorentznet
