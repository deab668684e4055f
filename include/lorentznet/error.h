#pragma once

#include <stdexcept>

namespace lorentznet {

/// Unusable input: a file, a jet, a checkpoint or a flag. The message is one line that names it and
/// gives the reason. The programs print it and exit with status 2; every other exception ends them
/// with status 1.
class InputError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

}  // namespace lorentznet
