#pragma once

namespace lorentznet::test {

/// Kernels that were started on the emulator.
long emulated_launches();

/// What the kernels can be made to do wrong.
enum class Mistake {
  kNone,
  kLogit,        ///< inference: a logit of the last jet has the wrong sign
  kNotANumber,   ///< inference: so is a logit of the last jet
  kCoordinates,  ///< inference: coordinates move by a tenth less
  kGradient,     ///< training: the gradient of a bias in the first layer is zero
  kStatistics,   ///< training: a running mean of the first layer stays as it was
  kLaunch,       ///< training: a launch fails
};

/// While it lives, what its thread asks for is computed with a mistake.
class MistakenKernels {
 public:
  explicit MistakenKernels(Mistake mistake);
  ~MistakenKernels();
  MistakenKernels(const MistakenKernels&) = delete;
  MistakenKernels& operator=(const MistakenKernels&) = delete;
};

}  // namespace lorentznet::test
