#include "report/epoch_table.h"

#include <array>
#include <cstdio>

namespace lorentznet {

std::string epoch_table(const TrainingRecord& record) {
  std::string table = "  Epoch  Learning rate  Train loss  Train acc  Val loss  Val acc  Time [s]";
  for (std::size_t k = 0; k < record.epochs.size(); ++k) {
    const bool best = record.epochs[k] == record.best_epoch;
    std::array<char, 160> line{};
    std::snprintf(line.data(), line.size(),
                  "\n%c %5lld  %13.3e  %10.4f  %9.4f  %8.4f  %7.4f  %8.1f%s", best ? '*' : ' ',
                  static_cast<long long>(record.epochs[k]) + 1, record.lr[k], record.train_loss[k],
                  record.train_acc[k], record.val_loss[k], record.val_acc[k],
                  record.train_time[k] + record.val_time[k], best ? "  best" : "");
    table += line.data();
  }
  return table;
}

}  // namespace lorentznet
