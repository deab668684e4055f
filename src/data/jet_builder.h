#pragma once

#include <cstdint>
#include <string>

#include "data/input_checks.h"
#include "lorentznet/jets.h"

namespace lorentznet {

/// Collects the jets of one file, row by row from row 0, and checks what the layouts have in
/// common. Every error is an InputError "FILE: jet ROW (counted from 0): REASON".
class JetBuilder {
 public:
  explicit JetBuilder(std::string file);

  /// Adds a constituent to the current jet. p4: [4] = (E, px, py, pz) in GeV; `column` is its place
  /// in the padded layout. Refuses momenta that are not finite and energies that are not positive.
  void add_constituent(std::int64_t column, const double* p4);
  /// The same with its place in the one-hot of species.
  void add_constituent(std::int64_t column, const double* p4, int species);

  /// Ends the current jet. Refuses labels other than 0 and 1 and jets without constituents.
  void end_jet(double label);

  /// Throws the error of the current jet.
  [[noreturn]] void fail(const std::string& reason) const;

  /// Hands over the jets that were ended.
  JetSet finish() &&;

 private:
  std::string file_;
  JetSet jets_;
};

}  // namespace lorentznet
