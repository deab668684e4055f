#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "lorentznet/column.h"

namespace lorentznet {

/// Where a run of consecutive jets of a JetSet came from, so that an error can name file and jet.
struct JetSource {
  std::string file;
  std::int64_t first_jet = 0;  ///< index in the JetSet of the first jet of this run
  std::int64_t first_row = 0;  ///< its row (from 0) in the file; further rows follow one by one
};

/// Jets of a task, laid end to end without padding: J jets with P constituents in all.
///
/// Energies, momenta and masses are in GeV. Beams are not stored: Batch adds them. What a task does
/// not know, or a file does not give, is empty. Copies and slices share their memory.
struct JetSet {
  Column<double> p4;                ///< [P, 4] four-momenta (E, px, py, pz)
  Column<std::int64_t> offsets{0};  ///< [J+1] jet j owns offsets[j] .. offsets[j+1] - 1
  Column<std::int8_t> species;      ///< [P] place in the one-hot of species, -1: another known
                                    ///< particle; of quark/gluon jets
  Column<std::int16_t> column;      ///< [P] column of the constituent in the padded file layout
  Column<std::int8_t> label;       ///< [J] class: 1 signal (top, quark), 0 background (QCD, gluon),
                                   ///< up to K - 1 of K classes; -1: not known
  Column<double> scalars;          ///< [P, S] input scalars that the file gives
  Column<double> weight;           ///< [J] not negative; empty: 1 each
  Column<std::int64_t> id;         ///< [J] the user's own numbers of the jets
  std::vector<JetSource> sources;  ///< by rising first_jet
  std::vector<std::string> skipped;  ///< "FILE: jet ROW (counted from 0): REASON" of each jet that
                                     ///< was left out, in order

  std::int64_t num_jets() const { return static_cast<std::int64_t>(offsets.size()) - 1; }
  std::int64_t num_constituents() const { return offsets.back(); }
  /// Number of constituents of jet `jet`.
  std::int64_t multiplicity(std::int64_t jet) const { return offsets[jet + 1] - offsets[jet]; }
  /// S, the scalars of a constituent that the file gives.
  std::int64_t num_scalars() const;
  /// One more than the highest label; 0 if none is known.
  std::int64_t num_classes() const;
  /// Whether the label of every jet is known.
  bool has_labels() const;
  /// "FILE: jet ROW" of jet `jet` (ROW from 0, in the file), for messages; "jet ROW" where no file
  /// is known. Throws std::out_of_range.
  std::string describe(std::int64_t jet) const;
  /// The jets [first, first + count). Throws std::out_of_range when they aren't all there.
  JetSet slice(std::int64_t first, std::int64_t count) const;
  /// Adds the jets of `other` behind this set's. Throws InputError, naming a file of each, when one
  /// set has species, scalars, weights or ids that the other has not, or other numbers of scalars.
  void append(const JetSet& other);
};

/// Divides the weights of jets by their mean, so that a learning rate means the same whatever their
/// unit. Jets without weights stay so.
void normalize_weights(JetSet& jets);

/// The three parts of a data set.
struct DataSplits {
  JetSet train, val, test;
  std::vector<std::string> skipped = {};  ///< as JetSet::skipped, of all files that were read
};

}  // namespace lorentznet
