#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace lorentznet {

/// Where a run of consecutive jets of a JetSet came from, so that an error can name file and jet.
struct JetSource {
  std::string file;
  std::int64_t first_jet = 0;  ///< index in the JetSet of the first jet of this run
  std::int64_t first_row = 0;  ///< its row (from 0) in the file; further rows follow one by one
};

/// Jets of a task, laid end to end without padding: J jets with P constituents in all.
///
/// Energies, momenta and masses are in GeV. Beams are not stored: Batch adds them.
struct JetSet {
  std::vector<double> p4;                ///< [P, 4] four-momenta (E, px, py, pz)
  std::vector<std::int64_t> offsets{0};  ///< [J+1] jet j owns offsets[j] .. offsets[j+1] - 1
  std::vector<std::int8_t> species;      ///< [P] place in the one-hot of species, -1: another known
                                         ///< particle; empty where the task knows no species (top)
  std::vector<std::int16_t> column;  ///< [P] column of the constituent in the padded file layout
  std::vector<std::int8_t> label;    ///< [J] 1 signal (top, quark), 0 background (QCD, gluon)
  std::vector<JetSource> sources;    ///< by rising first_jet

  std::int64_t num_jets() const { return static_cast<std::int64_t>(offsets.size()) - 1; }
  std::int64_t num_constituents() const { return offsets.back(); }
  /// Number of constituents of jet `jet`.
  std::int64_t multiplicity(std::int64_t jet) const { return offsets[jet + 1] - offsets[jet]; }
  /// "FILE: jet ROW" of jet `jet` (ROW from 0, in the file), for messages; "jet ROW" where no file
  /// is known. Throws std::out_of_range.
  std::string describe(std::int64_t jet) const;
  /// The jets [first, first + count). Throws std::out_of_range when they aren't all there.
  JetSet slice(std::int64_t first, std::int64_t count) const;
  /// Adds the jets of `other` behind this set's. Throws std::invalid_argument when one set has
  /// species and the other has none.
  void append(const JetSet& other);
};

/// The three parts of a data set.
struct DataSplits {
  JetSet train, val, test;
};

}  // namespace lorentznet
