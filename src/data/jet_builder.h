#pragma once

#include <algorithm>
#include <cstdint>
#include <future>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "io/message.h"
#include "lorentznet/error.h"
#include "lorentznet/jets.h"

namespace lorentznet {

/// The error of one jet, which BadJetRule decides about.
class BadJet : public InputError {
 public:
  using InputError::InputError;
};

/// Collects the jets of one file, row by row from row 0, and checks what the layouts have in
/// common. Every error is a BadJet "FILE: jet ROW (counted from 0): REASON".
class JetBuilder {
 public:
  /// `rows` to be read in all, of which `rule` lets some be bad.
  explicit JetBuilder(std::string file, std::int64_t rows = 0, const BadJetRule& rule = {});

  /// Adds a constituent to the current jet. p4: [4] = (E, px, py, pz) in GeV; `column` is its place
  /// in the padded layout. Refuses what is no four-momentum of a particle: numbers that are not
  /// finite, energies that are not positive or beyond all that nature has, and momenta above the
  /// energy by more than the rounding of two decimal digits.
  void add_constituent(std::int64_t column, const double* p4);
  /// The same with its place in the one-hot of species.
  void add_constituent(std::int64_t column, const double* p4, int species);
  /// The same with scalars that the file gives. Refuses such as are not finite.
  void add_constituent(std::int64_t column, const double* p4, std::span<const double> scalars);

  /// Ends the current jet. Refuses labels other than 0 and 1 and jets without constituents.
  void end_jet(double label) { end_jet(label, 2); }
  /// The same with labels below `num_classes`.
  void end_jet(double label, int num_classes);
  /// Ends the current jet, whose label is not known.
  void end_jet_without_label();

  /// Of the current jet, before it ends. Refuses weights that are negative or not finite.
  void set_weight(double weight);
  void set_id(std::int64_t id) { id_.push_back(id); }

  /// Throws the error of the current jet.
  [[noreturn]] void fail(const std::string& reason) const;

  /// Calls `add`, which adds and ends one jet. If that jet is bad, it is left out where the rule
  /// says so, and its error is rethrown where not. \throws InputError if too many are bad
  template <typename Add>
  void add_row(Add add) {
    try {
      add();
    } catch (const BadJet& bad) {
      skip(bad);
    }
  }

  /// Hands over the jets that were ended.
  JetSet finish() &&;

 private:
  /// Of the rows; by then it is known how much room all of them take.
  static constexpr std::int64_t kFirstPart = 16;

  /// Throws the error of a constituent that is none.
  [[noreturn]] void refuse(std::int64_t column, const double* p4) const;
  /// Once, so that nothing is copied as it grows. Not by what a header announces alone.
  void make_room();
  void skip(const BadJet& bad);
  void remove_unfinished();
  void end(std::int8_t label);

  std::string file_;
  std::int64_t rows_;
  BadJetRule rule_;
  std::int64_t row_ = 0;
  std::vector<double> p4_, scalars_, weight_;
  std::vector<std::int64_t> offsets_{0}, id_;
  std::vector<std::int8_t> species_, label_;
  std::vector<std::int16_t> column_;
  std::vector<JetSource> sources_;
  std::vector<std::string> skipped_;
};

/// Values that a block of doubles holds: 4 MiB.
inline constexpr std::int64_t kValuesInBlock = std::int64_t{1} << 19;

/// Reads rows [0, rows) in blocks, each by a thread ahead of its use: unpacking a file and checking
/// its jets each take about half of the time. `read`(first, count, block) runs in one thread at a
/// time, `use`(first, count, block) in this one. Rethrows what they throw.
template <typename Block, typename Read, typename Use>
void for_blocks(std::int64_t rows, std::int64_t rows_in_block, Read read, Use use) {
  Block now, next;
  std::future<void> reading;  // behind the blocks: its thread ends before they do
  const auto count_from = [&](std::int64_t first) { return std::min(rows_in_block, rows - first); };
  const auto start = [&](std::int64_t first) {
    if (first >= rows) return;
    reading = std::async(std::launch::async, [&, first] { read(first, count_from(first), next); });
  };
  start(0);
  for (std::int64_t first = 0; first < rows; first += rows_in_block) {
    reading.get();
    std::swap(now, next);
    start(first + rows_in_block);
    use(first, count_from(first), std::as_const(now));
  }
}

}  // namespace lorentznet
