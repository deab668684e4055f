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

/// An array whose copies and parts share its memory, which may be a mapped file. Changing one array
/// copies the memory first if it is shared, so no other array changes.
template <typename T>
class SharedArray {
 public:
  SharedArray() = default;
  SharedArray(std::initializer_list<T> values) : SharedArray(std::vector<T>(values)) {}
  SharedArray(std::vector<T> values)  // NOLINT(google-explicit-constructor): a vector is one
      : own_(std::make_shared<std::vector<T>>(std::move(values))), memory_(own_), view_(*own_) {}
  /// Values stored elsewhere, which do not change while `memory` lives.
  SharedArray(std::span<const T> values, std::shared_ptr<const void> memory)
      : memory_(std::move(memory)), view_(values) {}
  // No moves: copies are cheap, and a moved-from array would keep a view of memory that is gone.
  SharedArray(const SharedArray&) = default;
  SharedArray& operator=(const SharedArray&) = default;
  ~SharedArray() = default;

  std::size_t size() const { return view_.size(); }
  bool empty() const { return view_.empty(); }
  const T* data() const { return view_.data(); }
  const T& operator[](std::size_t place) const { return view_[place]; }
  const T& front() const { return view_.front(); }
  const T& back() const { return view_.back(); }
  const T* begin() const { return view_.data(); }
  const T* end() const { return view_.data() + view_.size(); }

  /// The `count` values from `first` on, sharing this array's memory. \throws std::out_of_range
  SharedArray part(std::size_t first, std::size_t count) const {
    if (first > size() || count > size() - first) throw std::out_of_range("part of an array");
    return {view_.subspan(first, count), memory_};
  }

  void push_back(const T& value) {
    const T copy = value;  // it may be one of this array's
    own().push_back(copy);
    view_ = *own_;
  }
  /// `values` must not be part of this array.
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
  /// The values, to be changed in place.
  std::span<T> edit() {
    own();
    view_ = *own_;
    return *own_;
  }

  friend bool operator==(const SharedArray& a, const SharedArray& b) {
    return std::equal(a.begin(), a.end(), b.begin(), b.end());
  }

 private:
  /// Memory that belongs to this array alone.
  std::vector<T>& own() {
    const bool alone = own_ && own_.use_count() == 2 && memory_.get() == own_.get();
    if (!alone) {
      own_ = std::make_shared<std::vector<T>>(view_.begin(), view_.end());
      memory_ = own_;
    }
    return *own_;
  }

  std::shared_ptr<std::vector<T>> own_;  ///< null where the values are not those of a vector
  std::shared_ptr<const void> memory_;   ///< keeps the values alive
  std::span<const T> view_;
};

/// What to do with bad jets: momenta that are not finite, energies that are not positive, more
/// momentum than energy, no particles, invalid labels.
struct BadJetRule {
  bool skip = false;    ///< skip and list them (JetSet::skipped); otherwise they are an error
  double most = 0.001;  ///< the largest fraction of a file's jets to skip; more is an error
};

/// Origin of consecutive jets of a JetSet, so that an error can name the file and the jet.
struct JetSource {
  std::string file;
  std::int64_t first_jet = 0;  ///< index of the first of them in the JetSet
  std::int64_t first_row = 0;  ///< its row (from 0) in the file; the other rows follow
};

/// J jets with P constituents in all, stored one after the other without padding.
///
/// Energies, momenta and masses are in GeV. Beams are not stored: Batch adds them. Arrays that the
/// task has no use for, or that the file does not have, are empty. Copies and slices share memory.
struct JetSet {
  SharedArray<double> p4;                ///< [P, 4] four-momenta (E, px, py, pz)
  SharedArray<std::int64_t> offsets{0};  ///< [J+1] jet j has constituents offsets[j] to
                                         ///< offsets[j+1] - 1
  SharedArray<std::int8_t> species;      ///< [P] quark/gluon: the particle species' place in its
                                         ///< one-hot vector, -1: known, but without a place in it
  SharedArray<std::int16_t> column;  ///< [P] column of the constituent in a padded batch: its place
                                     ///< in the jet, as readers drop the empty columns of a file
  SharedArray<std::int8_t> label;    ///< [J] class: 1 signal (top, quark), 0 background (QCD,
                                     ///< gluon), up to K - 1 of K classes; -1: unknown
  SharedArray<double> scalars;       ///< [P, S] input scalars from the file
  SharedArray<double> weight;        ///< [J] not negative; empty: 1 each
  SharedArray<std::int64_t> id;      ///< [J] the user's own numbers of the jets
  std::vector<JetSource> sources;    ///< by rising first_jet
  std::vector<std::string> skipped;  ///< "FILE: jet ROW (counted from 0): REASON" of each skipped
                                     ///< jet, in order

  std::int64_t num_jets() const { return static_cast<std::int64_t>(offsets.size()) - 1; }
  std::int64_t num_constituents() const { return offsets.back(); }
  /// Number of constituents of jet `jet`.
  std::int64_t multiplicity(std::int64_t jet) const { return offsets[jet + 1] - offsets[jet]; }
  /// S, the input scalars of a constituent in the file.
  std::int64_t num_scalars() const;
  /// One more than the highest label; 0 if none is known.
  std::int64_t num_classes() const;
  /// Whether the label of every jet is known.
  bool has_labels() const;
  /// Each file that jets are from, in order, and their number.
  std::vector<std::pair<std::string, std::int64_t>> files() const;
  /// The names of these files, for messages: "a.h5", "a.h5, b.h5", "a.h5, b.h5, ... (20 files)";
  /// "jets without a file" if they are unknown.
  std::string describe_files() const;
  /// "FILE: jet ROW" of jet `jet` (ROW from 0, in the file), for messages; "jet ROW" if the file is
  /// unknown. \throws std::out_of_range
  std::string describe(std::int64_t jet) const;
  /// The jets [first, first + count). \throws std::out_of_range if there are fewer
  JetSet slice(std::int64_t first, std::int64_t count) const;
  /// Adds the jets of `other` after this set's.
  /// \throws InputError naming a file of each, if only one of them has species, scalars, weights or
  ///         ids, or if they differ in the number of scalars
  void append(const JetSet& other);
};

/// Divides the jets' weights, if they have any, by their mean, so that a learning rate means the
/// same whatever their unit. Weights that are all zero stay.
void normalize_weights(JetSet& jets);

/// What is odd about the labels of training jets, in one line; empty if nothing is: all jets are of
/// one class, or there are none of a class below the highest one.
std::string odd_labels(const JetSet& jets);

/// A file that jets were read from.
struct DataFile {
  std::string file;  ///< as in JetSource
  std::uint64_t bytes = 0;
  std::int64_t time = 0;  ///< of its last change, in ticks of the system's clock of files
  std::string sha256;     ///< 64 hexadecimal digits
};

/// The three parts of a data set.
struct DataSplits {
  JetSet train, val, test;
  std::vector<std::string> skipped = {};  ///< as JetSet::skipped, of all files read
  SharedArray<double> test_weight = {};   ///< of `test` as in the files, when test.weight has
                                          ///< been normalized; empty: 1 each
  std::vector<DataFile> files = {};       ///< those read, if DataSelection::checksums asked for it
};

}  // namespace lorentznet
