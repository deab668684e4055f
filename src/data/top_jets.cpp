#include "data/top_jets.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstring>
#include <numeric>
#include <stdexcept>
#include <string>
#include <utility>

#include "data/array_file.h"
#include "data/jet_builder.h"
#include "io/file.h"
#include "io/message.h"
#include "lorentznet/readers.h"

namespace lorentznet {
namespace {

void require_shape(const Hdf5Dataset& dataset, const std::vector<std::int64_t>& expected) {
  if (dataset.shape() == expected) return;
  dataset.fail("has shape " + format_shape(dataset.shape()) + " instead of " +
               format_shape(expected));
}

void require_class(const Hdf5Dataset& dataset, H5T_class_t type, const char* type_name) {
  if (dataset.handle().getTypeClass() != type) {
    dataset.fail("does not hold " + std::string(type_name));
  }
}

class ConvertedTopLayout : public TopLayout {
 public:
  explicit ConvertedTopLayout(const Hdf5File& file)
      : momenta_(file.dataset("Pmu")),
        present_(file.dataset("label")),
        is_signal_(file.dataset("is_signal")) {
    require_class(momenta_, H5T_FLOAT, "floating-point numbers");
    require_class(present_, H5T_INTEGER, "integers");
    require_class(is_signal_, H5T_INTEGER, "integers");
    const std::vector<std::int64_t>& shape = momenta_.shape();
    if (shape.size() != 3 || shape[1] < 1 || shape[1] > max_columns || shape[2] != 4) {
      momenta_.fail("has shape " + format_shape(shape) + " instead of [jets, particles, 4]");
    }
    require_shape(present_, {shape[0], shape[1]});
    require_shape(is_signal_, {shape[0]});
    // The particles are counted from `label`; `Nobj` only has to belong to the same jets.
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

constexpr const char* momenta_name = "values_block_0";
constexpr const char* flags_name = "values_block_1";
constexpr std::int64_t truth_values = 4;  // of the generated top quark, behind the particles
constexpr std::int64_t num_flags = 2;     // published split, is_signal_new

/// Number of values in the array member `name` of the table's rows, which has to hold numbers of
/// class `type`.
std::int64_t member_length(const Hdf5Dataset& table, const std::string& name, H5T_class_t type) {
  const H5::CompType row = table.handle().getCompType();
  int member = 0;
  while (member < row.getNmembers() && row.getMemberName(member) != name) ++member;
  if (member == row.getNmembers()) table.fail("has no column '" + name + "'");
  if (row.getMemberClass(member) != H5T_ARRAY) table.fail("has no array in '" + name + "'");
  const H5::ArrayType array = row.getMemberArrayType(member);
  if (array.getSuper().getClass() != type) {
    table.fail("does not hold " +
               std::string(type == H5T_FLOAT ? "floating-point numbers" : "integers") + " in '" +
               name + "'");
  }
  std::vector<hsize_t> extents(array.getArrayNDims());
  array.getArrayDims(extents.data());
  return std::accumulate(extents.begin(), extents.end(), std::int64_t{1}, std::multiplies<>());
}

class RawTopLayout : public TopLayout {
 public:
  explicit RawTopLayout(const Hdf5File& file) : table_(file.dataset("table/table")) {
    if (table_.shape().size() != 1 || table_.handle().getTypeClass() != H5T_COMPOUND) {
      table_.fail("is not a table");
    }
    row_ = table_.handle().getCompType();
    const std::int64_t length = member_length(table_, momenta_name, H5T_FLOAT);
    width_ = (length - truth_values) / 4;
    if (length % 4 != 0 || width_ < 1 || width_ > max_columns) {
      table_.fail("has rows of " + std::to_string(length) + " values in '" + momenta_name +
                  "' instead of four for each particle and the top quark");
    }
    const std::int64_t flags = member_length(table_, flags_name, H5T_INTEGER);
    if (flags != num_flags) {
      table_.fail("has rows of " + std::to_string(flags) + " values in '" + flags_name +
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
  static constexpr std::size_t is_signal_place = sizeof(std::int64_t);  // in the flags

  /// Whether rows are as in memory: floats, int64. Then nothing has to be converted.
  bool find_native() const {
    const auto member_is = [&](const char* name, const H5::PredType& type) {
      const auto member = row_.getMemberIndex(name);
      return row_.getMemberArrayType(member).getSuper() == type;
    };
    return member_is(momenta_name, H5::PredType::NATIVE_FLOAT) &&
           member_is(flags_name, H5::PredType::NATIVE_INT64) &&
           row_.getMemberOffset(row_.getMemberIndex(momenta_name)) % alignof(float) == 0 &&
           row_.getSize() % alignof(float) == 0;
  }

  void read_native(std::int64_t first, std::int64_t count, TopBlock& block) const {
    block.row_bytes = row_.getSize();
    block.place = row_.getMemberOffset(row_.getMemberIndex(momenta_name));
    block.raw.resize(count * block.row_bytes);
    table_.read_rows(first, count, row_, block.raw.data());
    const auto flags = row_.getMemberOffset(row_.getMemberIndex(flags_name)) + is_signal_place;
    for (std::int64_t jet = 0; jet < count; ++jet) {
      std::memcpy(&block.is_signal[jet], block.raw.data() + jet * block.row_bytes + flags,
                  sizeof(std::int64_t));
    }
  }

  /// HDF5 converts each row to: doubles [4 W + 4], int64 [2].
  void read_converted(std::int64_t first, std::int64_t count, TopBlock& block) const {
    const hsize_t length = 4 * width_ + truth_values;
    const hsize_t flags = num_flags;
    const std::size_t flags_place = length * sizeof(double);
    const std::size_t row_bytes = flags_place + flags * sizeof(std::int64_t);
    H5::CompType row(row_bytes);
    row.insertMember(momenta_name, 0, H5::ArrayType(H5::PredType::NATIVE_DOUBLE, 1, &length));
    row.insertMember(flags_name, flags_place, H5::ArrayType(H5::PredType::NATIVE_INT64, 1, &flags));
    std::vector<std::byte> bytes(count * row_bytes);
    table_.read_rows(first, count, row, bytes.data());

    const std::size_t row_values = 4 * width_;
    block.p4.resize(count * row_values);
    for (std::int64_t jet = 0; jet < count; ++jet) {
      const std::byte* from = bytes.data() + jet * row_bytes;
      std::memcpy(&block.p4[jet * row_values], from, row_values * sizeof(double));
      std::memcpy(&block.is_signal[jet], from + flags_place + is_signal_place,
                  sizeof(std::int64_t));
    }
  }

  Hdf5Dataset table_;
  H5::CompType row_;  ///< in the file
  std::int64_t width_ = 0;
  bool is_native_ = false;
};

constexpr std::int64_t rows_in_block = 2048;  // 13 MB of the published files' rows

std::string column_text(std::int64_t column) { return "column " + std::to_string(column); }

/// Adds one jet. p4: [width, 4]; present: [width] or null.
template <typename Number>
void append_jet(JetBuilder& builder, std::int64_t width, const Number* p4,
                const std::int64_t* present, std::int64_t is_signal) {
  for (std::int64_t column = 0; column < width; ++column, p4 += 4) {
    const bool has_energy = p4[0] != 0;
    if (present != nullptr && has_energy != (present[column] != 0)) {
      builder.fail(column_text(column) + " has label " + std::to_string(present[column]) +
                   " but energy " + format_number(p4[0]) + " GeV");
    }
    if (has_energy) {
      const std::array<double, 4> values{p4[0], p4[1], p4[2], p4[3]};
      builder.add_constituent(column, values.data());
    } else if (!(p4[1] == 0 && p4[2] == 0 && p4[3] == 0)) {
      builder.fail(column_text(column) + " has a momentum but energy 0");
    }
  }
  builder.end_jet(static_cast<double>(is_signal));
}

JetSet read_jets(const Hdf5File& file, std::int64_t max_jets, const BadJetRule& rule) {
  const std::unique_ptr<TopLayout> layout = open_top_layout(file);
  if (layout->rows() == 0) throw_file_error(file.name(), "no jets");
  const std::int64_t num_jets = jets_to_read(layout->rows(), max_jets);
  const std::int64_t width = layout->width();

  JetBuilder builder(file.name(), num_jets, rule);
  for_blocks<TopBlock>(
      num_jets, rows_in_block,
      [&](std::int64_t first, std::int64_t count, TopBlock& block) {
        layout->read(first, count, block);
      },
      [&](std::int64_t, std::int64_t count, const TopBlock& block) {
        for (std::int64_t row = 0; row < count; ++row) {
          builder.add_row([&] {
            if (!block.raw.empty()) {
              return append_jet(builder, width, block.floats(row), nullptr, block.is_signal[row]);
            }
            append_jet(builder, width, &block.p4[row * width * 4],
                       block.present.empty() ? nullptr : &block.present[row * width],
                       block.is_signal[row]);
          });
        }
      });
  return std::move(builder).finish();
}

using Path = std::filesystem::path;

/// Which of the words `name` contains; "" for none. Two are an error: the file's split is unclear.
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
  throw std::invalid_argument("split '" + split + "' is none of train, val and test");
}

}  // namespace

std::unique_ptr<TopLayout> open_converted_top_layout(const Hdf5File& file) {
  for (const char* name : {"Nobj", "Pmu", "label", "is_signal"}) {
    if (!file.has(name)) {
      throw_file_error(file.name(), "no data set '" + std::string(name) + "'; the file holds " +
                                        file.contents());
    }
  }
  return std::make_unique<ConvertedTopLayout>(file);
}

std::unique_ptr<TopLayout> open_raw_top_layout(const Hdf5File& file) {
  return std::make_unique<RawTopLayout>(file);
}

std::unique_ptr<TopLayout> open_top_layout(const Hdf5File& file) {
  if (file.has("table/table")) return open_raw_top_layout(file);
  for (const char* name : {"Nobj", "Pmu", "label", "is_signal"}) {
    if (file.has(name)) return open_converted_top_layout(file);
  }
  throw_file_error(file.name(),
                   "neither the data sets Nobj, Pmu, label and is_signal, nor X, nor the table "
                   "/table/table; the file holds " +
                       file.contents());
}

JetSet read_top_jets(const std::filesystem::path& path, std::int64_t max_jets,
                     const BadJetRule& rule) {
  if (is_zip_file(path)) return read_own_jets(path, max_jets, rule);
  const Hdf5File file(path);
  return catch_hdf5_errors(file.name(), [&] {
    return file.has("X") ? read_own_jets(path, max_jets, rule) : read_jets(file, max_jets, rule);
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
    if (share != 0) jets.append(read_top_jets(files[place], share, rule));
  }
  return jets;
}

}  // namespace lorentznet
