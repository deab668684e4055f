#pragma once

namespace lorentznet {

/// What becomes of jets that cannot be used: momenta that are not finite, energies that are not
/// positive, more momentum than energy, no particles, labels that are none.
struct BadJetRule {
  bool skip = false;    ///< leave them out, and list them (JetSet::skipped); else they are an error
  double most = 0.001;  ///< the largest fraction of a file's jets that is skipped; more is an error
};

}  // namespace lorentznet
