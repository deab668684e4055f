#pragma once

#include <chrono>
#include <string>

#include "lorentznet/records.h"

namespace lorentznet {

/// "Epoch 3/35 train [=====>    ] 42 %  173 jets/s  1:23 left  loss 0.2345  acc 0.9123 lr 1.0e-03",
/// in less than `width` columns: what does not fit is left out, and no number is cut.
std::string describe(const PassProgress& progress, int width);

/// The line on a terminal that shows the progress of a pass, redrawn a few times a second.
class LiveLine {
 public:
  void show(const PassProgress& progress);

 private:
  std::chrono::steady_clock::time_point drawn_;
};

}  // namespace lorentznet
