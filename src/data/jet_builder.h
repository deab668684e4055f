#pragma once

#include <algorithm>
#include <cstdint>
#include <future>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "data/constituents.h"
#include "lorentznet/error.h"
#include "lorentznet/jets.h"

namespace lorentznet {

/// The error of one jet: BadJetRule says whether the jet is skipped.
class BadJet : public InputError {
 public:
  using InputError::InputError;
};

/// Number of columns that JetSet::column can hold.
inline constexpr std::int64_t kMaxColumns = 32768;

/// Whether `shape` is [jets, particles, 4], with 1 to kMaxColumns particles.
bool is_particle_shape(const std::vector<std::int64_t>& shape);

/// How many of `available` jets to read if at most `max_jets` are wanted; -1: all.
/// \throws std::invalid_argument for max_jets < -1
std::int64_t jets_to_read(std::int64_t available, std::int64_t max_jets);

/// Collects the jets of one file, row by row from row 0, and makes the checks that all layouts
/// share. Every error is a BadJet "FILE: jet ROW (counted from 0): REASON".
class JetBuilder {
 public:
  /// `rows` is the number of jets to read, of which `rule` allows some to be bad.
  explicit JetBuilder(std::string file, std::int64_t rows = 0, const BadJetRule& rule = {});

  std::int64_t rows() const { return rows_; }

  /// Whether a column is empty: (0, 0, 0, 0). Refuses a momentum with energy 0.
  template <typename Number>
  bool is_empty(std::int64_t column, const Number* p4) const {
    if (p4[0] != 0) return false;
    if (p4[1] == 0 && p4[2] == 0 && p4[3] == 0) return true;
    fail("column " + std::to_string(column) + " has a momentum but energy 0");
  }
  /// Adds a constituent to the current jet. p4: [4] = (E, px, py, pz) in GeV; `column` is its place
  /// in the padded layout, for messages: empty columns before it count for nothing. Refuses numbers
  /// that are not finite, energies that are not positive or beyond anything physical, and momenta
  /// above the energy by more than 1 %.
  void add_constituent(std::int64_t column, const double* p4);
  /// The same, with its place in the one-hot vector of species.
  void add_constituent(std::int64_t column, const double* p4, int species);
  /// The same, with scalars from the file, which must be finite.
  void add_constituent(std::int64_t column, const double* p4, std::span<const double> scalars);

  /// Ends the current jet. Refuses jets without constituents, and labels that are not one of 0, 1,
  /// ..., num_classes - 1.
  void end_jet(double label, int num_classes = 2);
  void end_jet_without_label();

  /// Called before the jet ends. Refuses weights that are negative or not finite.
  void set_weight(double weight);
  void set_id(std::int64_t id) { id_.push_back(id); }

  /// \throws BadJet about the current jet
  [[noreturn]] void fail(const std::string& reason) const;

  /// Calls `add`, which adds and ends one jet. A bad jet is skipped if the rule says so.
  /// \throws BadJet otherwise, and InputError if too many are bad
  template <typename Add>
  void add_row(Add add) {
    try {
      add();
    } catch (const BadJet& bad) {
      skip(bad);
    }
  }

  /// The jets that were ended.
  JetSet finish() &&;

 private:
  /// Memory for all rows is reserved after 1/16 of them: by then the file has proved that they
  /// exist, and how much memory they take.
  static constexpr std::int64_t kFirstPart = 16;

  [[noreturn]] void refuse(std::int64_t column, const double* p4, MomentumFault fault) const;
  void reserve();
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

/// Number of doubles in a block: 4 MiB.
inline constexpr std::int64_t kValuesInBlock = std::int64_t{1} << 19;

/// Reads builder.rows() jets in blocks. A second thread reads one block ahead, as unpacking a file
/// and checking its jets take about the same time. A file of one block needs no thread: a child
/// process (hdf5_look.h) forked beside other threads should start none.
/// \param read  read(first, count, block) reads rows [first, first + count)
/// \param add   add(builder, block, row, place) adds and ends the jet of `row`, which is jet
///              `place` of the block
/// \throws what they throw
template <typename Block, typename Read, typename Add>
JetSet read_in_blocks(JetBuilder builder, std::int64_t rows_in_block, Read read, Add add) {
  const std::int64_t rows = builder.rows();
  Block now, next;
  std::future<void> reading;  // after the blocks: its destructor waits for the thread
  const auto count_from = [&](std::int64_t first) { return std::min(rows_in_block, rows - first); };
  if (rows > 0) read(0, count_from(0), now);
  for (std::int64_t first = 0; first < rows; first += rows_in_block) {
    const auto ahead = first + rows_in_block;
    if (ahead < rows) {
      reading =
          std::async(std::launch::async, [&, ahead] { read(ahead, count_from(ahead), next); });
    }
    for (std::int64_t place = 0; place < count_from(first); ++place) {
      builder.add_row([&] { add(builder, std::as_const(now), first + place, place); });
    }
    if (ahead < rows) reading.get();
    std::swap(now, next);
  }
  return std::move(builder).finish();
}

}  // namespace lorentznet
