#include "kernels/fused_kernel.h"

namespace lorentznet {

std::string why_not_fused(const at::Device& device, bool double_coordinates,
                          std::int64_t n_hidden) {
  constexpr std::int64_t kMinHidden = 8;    // outputs that the engine's products have at least
  constexpr std::int64_t kMaxHidden = 256;  // the widest that the tests cover
  if (!device.is_cpu()) return "device " + device.str();
  if (!double_coordinates) return "coordinates in float";
  const auto hidden = "n_hidden " + std::to_string(n_hidden);
  if (n_hidden < kMinHidden) return hidden + " is below " + std::to_string(kMinHidden);
  if (n_hidden > kMaxHidden) return hidden + " is above " + std::to_string(kMaxHidden);
  return "";
}

}  // namespace lorentznet
