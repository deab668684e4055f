#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <span>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace lorentznet {

/// Values laid end to end, in memory of their own or in memory that is shared: a part of another
/// column, or of a mapped file. Copies and parts share; edit() makes a copy first where it must, so
/// that no column changes behind another one's back.
template <typename T>
class Column {
 public:
  Column() = default;
  Column(std::initializer_list<T> values) : Column(std::vector<T>(values)) {}
  Column(std::vector<T> values)  // NOLINT(google-explicit-constructor): a vector is one
      : own_(std::make_shared<std::vector<T>>(std::move(values))), memory_(own_), view_(*own_) {}
  /// Values that lie elsewhere and stay as they are while `memory` lives.
  Column(std::span<const T> values, std::shared_ptr<const void> memory)
      : memory_(std::move(memory)), view_(values) {}
  // Copies are cheap, and what was moved from would keep a view of memory that is gone.
  Column(const Column&) = default;
  Column& operator=(const Column&) = default;
  ~Column() = default;

  std::size_t size() const { return view_.size(); }
  bool empty() const { return view_.empty(); }
  const T* data() const { return view_.data(); }
  const T& operator[](std::size_t place) const { return view_[place]; }
  const T& front() const { return view_.front(); }
  const T& back() const { return view_.back(); }
  const T* begin() const { return view_.data(); }
  const T* end() const { return view_.data() + view_.size(); }

  /// `count` values from `first` on, which share this column's memory. Throws std::out_of_range.
  Column part(std::size_t first, std::size_t count) const {
    if (first > size() || count > size() - first) throw std::out_of_range("part of a column");
    return {view_.subspan(first, count), memory_};
  }

  void push_back(const T& value) {
    const T copy = value;  // it may lie in this column
    own().push_back(copy);
    view_ = *own_;
  }
  /// `values` must not lie in this column.
  void append(std::span<const T> values) {
    auto& vector = own();
    vector.insert(vector.end(), values.begin(), values.end());
    view_ = *own_;
  }
  void append(std::initializer_list<T> values) { append(std::span(values.begin(), values.size())); }
  void resize(std::size_t size, const T& value = T()) {
    own().resize(size, value);
    view_ = *own_;
  }
  /// The values to change in place; their number stays.
  std::span<T> edit() {
    own();
    view_ = *own_;
    return *own_;
  }

  friend bool operator==(const Column& a, const Column& b) {
    return std::equal(a.begin(), a.end(), b.begin(), b.end());
  }

 private:
  /// Memory that belongs to this column alone.
  std::vector<T>& own() {
    const bool alone = own_ && own_.use_count() == 2 && memory_.get() == own_.get();
    if (!alone) {
      own_ = std::make_shared<std::vector<T>>(view_.begin(), view_.end());
      memory_ = own_;
    }
    return *own_;
  }

  std::shared_ptr<std::vector<T>> own_;  ///< where the values are a vector's, all of them
  std::shared_ptr<const void> memory_;   ///< what keeps the values
  std::span<const T> view_;
};

/// What becomes of jets that cannot be used: momenta that are not finite, energies that are not
/// positive, more momentum than energy, no particles, labels that are none.
struct BadJetRule {
  bool skip = false;    ///< leave them out, and list them (JetSet::skipped); else they are an error
  double most = 0.001;  ///< the largest fraction of a file's jets that is skipped; more is an error
};

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
