#include <algorithm>
#include <array>
#include <cstddef>
#include <cstring>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "data/hdf5_chunks.h"
#include "data/hdf5_file.h"
#include "data/jet_builder.h"
#include "data/layout.h"
#include "io/file.h"
#include "io/message.h"
#include "io/sizes.h"
#include "lorentznet/readers.h"

namespace lorentznet {
namespace {

using Path = std::filesystem::path;

/// Some consecutive jets of a top-tagging file, padded to W columns.
struct TopBlock {
  std::vector<double> p4;             ///< [rows, W, 4] (E, px, py, pz) in GeV, zero where empty
  std::vector<std::int64_t> present;  ///< [rows, W] nonzero where there is a particle; empty if the
                                      ///< layout has no such array
  std::vector<std::int64_t> is_signal;  ///< [rows]

  /// Replaces `p4` for a table of floats: its rows of `row_bytes` as they are in the file, with the
  /// momenta [W, 4] at `place`.
  std::vector<std::byte> raw;
  std::size_t row_bytes = 0, place = 0;
  const float* floats(std::int64_t row) const {
    return reinterpret_cast<const float*>(raw.data() + row * row_bytes + place);
  }
};

class TopLayout {
 public:
  virtual ~TopLayout() = default;
  virtual std::int64_t rows() const = 0;   ///< jets in the file
  virtual std::int64_t width() const = 0;  ///< W
  /// Reads jets [first, first + count).
  virtual void read(std::int64_t first, std::int64_t count, TopBlock& block) const = 0;
};

void require_shape(const Hdf5Dataset& dataset, const std::vector<std::int64_t>& expected) {
  if (dataset.shape() == expected) return;
  dataset.fail("has shape " + format_shape(dataset.shape()) + " instead of " +
               format_shape(expected));
}

const char* name_of(H5T_class_t type) {
  return type == H5T_FLOAT ? "floating-point numbers" : "integers";
}

Hdf5Dataset open_numbers(const Hdf5File& file, const char* name, H5T_class_t type) {
  Hdf5Dataset dataset = file.dataset(name);
  const bool is_type =
      dataset.type_class() == type || (type == H5T_INTEGER && dataset.holds_booleans());
  if (!is_type) dataset.fail(std::string("does not hold ") + name_of(type));
  return dataset;
}

/// Data sets `Nobj` [N], `Pmu` [N, W, 4], `label` [N, W] and `is_signal` [N].
class ConvertedTopLayout : public TopLayout {
 public:
  explicit ConvertedTopLayout(const Hdf5File& file)
      : momenta_(open_numbers(file, "Pmu", H5T_FLOAT)),
        present_(open_numbers(file, "label", H5T_INTEGER)),
        is_signal_(open_numbers(file, "is_signal", H5T_INTEGER)) {
    const std::vector<std::int64_t>& shape = momenta_.shape();
    if (!is_particle_shape(shape)) {
      momenta_.fail("has shape " + format_shape(shape) + " instead of [jets, particles, 4]");
    }
    require_shape(present_, {shape[0], shape[1]});
    require_shape(is_signal_, {shape[0]});
    // `label` says which particles exist; `Nobj` only has to be there for as many jets.
    require_shape(file.dataset("Nobj"), {shape[0]});
  }

  std::int64_t rows() const override { return momenta_.rows(); }
  std::int64_t width() const override { return momenta_.shape()[1]; }

  void read(std::int64_t first, std::int64_t count, TopBlock& block) const override {
    block.p4.resize(count * width() * 4);
    block.present.resize(count * width());
    block.is_signal.resize(count);
    momenta_.read_rows(first, count, H5::PredType::NATIVE_DOUBLE, block.p4.data());
    present_.read_rows(first, count, H5::PredType::NATIVE_INT64, block.present.data());
    is_signal_.read_rows(first, count, H5::PredType::NATIVE_INT64, block.is_signal.data());
  }

 private:
  Hdf5Dataset momenta_;
  Hdf5Dataset present_;
  Hdf5Dataset is_signal_;
};

constexpr const char* kMomenta = "values_block_0";
constexpr const char* kFlags = "values_block_1";
constexpr std::int64_t kTruthValues = 4;  // of the generated top quark, after the particles
constexpr std::int64_t kNumFlags = 2;     // published split, is_signal_new
constexpr std::size_t kIsSignalPlace = sizeof(std::int64_t);  // bytes, in the flags

/// Number of values in the array `name` of a row of the table; they must be numbers of class
/// `type`.
std::int64_t member_length(const Hdf5Dataset& table, const std::string& name, H5T_class_t type) {
  const H5::CompType row = table.handle().getCompType();
  int member = 0;
  while (member < row.getNmembers() && row.getMemberName(member) != name) ++member;
  if (member == row.getNmembers()) table.fail("has no column '" + name + "'");
  if (row.getMemberClass(member) != H5T_ARRAY) table.fail("has no array in '" + name + "'");
  const H5::ArrayType array = row.getMemberArrayType(member);
  if (array.getSuper().getClass() != type) {
    table.fail(std::string("does not hold ") + name_of(type) + " in '" + name + "'");
  }
  Extents extents(array.getArrayNDims());
  array.getArrayDims(extents.data());
  const auto length = checked_product(std::vector<std::int64_t>(extents.begin(), extents.end()));
  if (!length) table.fail("has rows of shape " + format_extents(extents) + " in '" + name + "'");
  return *length;
}

Hdf5Dataset open_table(const Hdf5File& file) {
  Hdf5Dataset table = file.dataset("table/table");
  const bool is_table = table.shape().size() == 1 && table.type_class() == H5T_COMPOUND;
  if (!is_table) table.fail("is not a table");
  return table;
}

/// The pandas table as published, with rows `values_block_0` [4 W + 4], the last four values being
/// the generated top quark's, and `values_block_1` [2] = (published split, is_signal).
class TopTableLayout : public TopLayout {
 public:
  explicit TopTableLayout(const Hdf5File& file)
      : table_(open_table(file)), row_(table_.handle().getCompType()) {
    const std::int64_t length = member_length(table_, kMomenta, H5T_FLOAT);
    width_ = (length - kTruthValues) / 4;
    if (length % 4 != 0 || width_ < 1 || width_ > kMaxColumns) {
      table_.fail("has rows of " + std::to_string(length) + " values in '" + kMomenta +
                  "' instead of four for each particle and the top quark");
    }
    const std::int64_t flags = member_length(table_, kFlags, H5T_INTEGER);
    if (flags != kNumFlags) {
      table_.fail("has rows of " + std::to_string(flags) + " values in '" + kFlags +
                  "' instead of 2");
    }
    is_native_ = find_native();
  }

  std::int64_t rows() const override { return table_.rows(); }
  std::int64_t width() const override { return width_; }

  void read(std::int64_t first, std::int64_t count, TopBlock& block) const override {
    block.present.clear();
    block.is_signal.resize(count);
    is_native_ ? read_native(first, count, block) : read_converted(first, count, block);
  }

 private:
  /// Whether the rows hold floats and int64 as memory does, so that nothing has to be converted.
  bool find_native() const {
    const auto member_is = [&](const char* name, const H5::PredType& type) {
      const auto member = row_.getMemberIndex(name);
      return row_.getMemberArrayType(member).getSuper() == type;
    };
    return member_is(kMomenta, H5::PredType::NATIVE_FLOAT) &&
           member_is(kFlags, H5::PredType::NATIVE_INT64) &&
           row_.getMemberOffset(row_.getMemberIndex(kMomenta)) % alignof(float) == 0 &&
           row_.getSize() % alignof(float) == 0;
  }

  void read_native(std::int64_t first, std::int64_t count, TopBlock& block) const {
    block.row_bytes = row_.getSize();
    block.place = row_.getMemberOffset(row_.getMemberIndex(kMomenta));
    block.raw.resize(count * block.row_bytes);
    table_.read_rows(first, count, row_, block.raw.data());
    const auto flags = row_.getMemberOffset(row_.getMemberIndex(kFlags)) + kIsSignalPlace;
    for (std::int64_t jet = 0; jet < count; ++jet) {
      std::memcpy(&block.is_signal[jet], block.raw.data() + jet * block.row_bytes + flags,
                  sizeof(std::int64_t));
    }
  }

  /// HDF5 converts each row to: doubles [4 W + 4], int64 [2].
  void read_converted(std::int64_t first, std::int64_t count, TopBlock& block) const {
    const hsize_t length = 4 * width_ + kTruthValues;
    const hsize_t flags = kNumFlags;
    const std::size_t flags_place = length * sizeof(double);
    const std::size_t row_bytes = flags_place + flags * sizeof(std::int64_t);
    H5::CompType row(row_bytes);
    row.insertMember(kMomenta, 0, H5::ArrayType(H5::PredType::NATIVE_DOUBLE, 1, &length));
    row.insertMember(kFlags, flags_place, H5::ArrayType(H5::PredType::NATIVE_INT64, 1, &flags));
    std::vector<std::byte> bytes(count * row_bytes);
    table_.read_rows(first, count, row, bytes.data());

    const std::size_t row_values = 4 * width_;
    block.p4.resize(count * row_values);
    for (std::int64_t jet = 0; jet < count; ++jet) {
      const std::byte* from = bytes.data() + jet * row_bytes;
      std::memcpy(&block.p4[jet * row_values], from, row_values * sizeof(double));
      std::memcpy(&block.is_signal[jet], from + flags_place + kIsSignalPlace, sizeof(std::int64_t));
    }
  }

  Hdf5Dataset table_;
  H5::CompType row_;  ///< in the file
  std::int64_t width_ = 0;
  bool is_native_ = false;
};

/// Adds one jet. p4: [width, 4]; present: [width] or null.
template <typename Number>
void add_jet(JetBuilder& builder, std::int64_t width, const Number* p4, const std::int64_t* present,
             std::int64_t is_signal) {
  for (std::int64_t column = 0; column < width; ++column, p4 += 4) {
    if (present != nullptr && (p4[0] != 0) != (present[column] != 0)) {
      builder.fail("column " + std::to_string(column) + " has label " +
                   std::to_string(present[column]) + " but energy " + format_number(p4[0]) +
                   " GeV");
    }
    if (builder.is_empty(column, p4)) continue;
    const std::array<double, 4> values{p4[0], p4[1], p4[2], p4[3]};
    builder.add_constituent(column, values.data());
  }
  builder.end_jet(static_cast<double>(is_signal));
}

std::unique_ptr<TopLayout> open_layout(const Hdf5File& file, bool is_table) {
  if (is_table) return std::make_unique<TopTableLayout>(file);
  for (const char* name : {"Nobj", "Pmu", "label", "is_signal"}) {
    if (file.has(name)) continue;
    throw_file_error(file.name(), "no data set '" + std::string(name) + "'; the file holds " +
                                      list_in_quotes(file.names()));
  }
  return std::make_unique<ConvertedTopLayout>(file);
}

JetSet read_all(const TopLayout& layout, const std::string& file, std::int64_t max_jets,
                const BadJetRule& rule) {
  constexpr std::int64_t kRowsInBlock = 2048;  // 13 MB of the published files' rows
  if (layout.rows() == 0) throw_file_error(file, "no jets");
  const std::int64_t width = layout.width();
  return read_in_blocks<TopBlock>(
      JetBuilder(file, jets_to_read(layout.rows(), max_jets), rule), kRowsInBlock,
      [&](std::int64_t first, std::int64_t count, TopBlock& block) {
        layout.read(first, count, block);
      },
      [&](JetBuilder& builder, const TopBlock& block, std::int64_t, std::int64_t row) {
        const std::int64_t is_signal = block.is_signal[row];
        if (!block.raw.empty()) {
          return add_jet(builder, width, block.floats(row), nullptr, is_signal);
        }
        add_jet(builder, width, &block.p4[row * width * 4],
                block.present.empty() ? nullptr : &block.present[row * width], is_signal);
      });
}

/// Which of the words the file's name contains; "" if none. \throws InputError if there are two
std::string split_of(const Path& file) {
  const std::string name = file.stem().string();
  std::string split;
  for (const char* word : {"train", "val", "test"}) {
    if (name.find(word) == std::string::npos) continue;
    if (!split.empty()) {
      throw_file_error(file.string(), "the name contains both '" + split + "' and '" + word + "'");
    }
    split = word;
  }
  return split;
}

std::vector<Path>& files_of(TopSplits& splits, const std::string& split) {
  if (split == "train") return splits.train;
  if (split == "val") return splits.val;
  if (split == "test") return splits.test;
  throw std::invalid_argument("split '" + split + "' is not one of train, val and test");
}

}  // namespace

JetSet read_top_jets(const Hdf5File& file, bool is_table, std::int64_t max_jets,
                     const BadJetRule& rule) {
  return catch_hdf5_errors(file.name(), [&] {
    return read_all(*open_layout(file, is_table), file.name(), max_jets, rule);
  });
}

TopSplits find_top_files(const Path& datadir, const std::vector<std::string>& needed) {
  const std::vector<Path> files = list_files(datadir, {".h5", ".hdf5", ".npz"});
  TopSplits splits;
  for (const Path& file : files) {
    const std::string split = split_of(file);
    if (!split.empty()) files_of(splits, split).push_back(file);
  }
  for (const std::string& split : needed) {
    if (!files_of(splits, split).empty()) continue;
    throw_file_error(datadir.string(), "no *.h5, *.hdf5 or *.npz file whose name contains '" +
                                           split + "'; " + describe_files(files));
  }
  return splits;
}

JetSet read_top_split(const std::vector<Path>& files, std::int64_t max_jets,
                      const BadJetRule& rule) {
  if (files.empty()) throw std::invalid_argument("no files to read jets from");
  const auto num_files = static_cast<std::int64_t>(files.size());
  JetSet jets;
  for (std::int64_t place = 0; place < num_files; ++place) {
    std::int64_t share = max_jets;
    if (max_jets >= 0) share = max_jets / num_files + (place < max_jets % num_files ? 1 : 0);
    if (share != 0) jets.append(read_jets(files[place], share, rule));
  }
  return jets;
}

}  // namespace lorentznet
