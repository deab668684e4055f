#include <algorithm>
#include <cstddef>
#include <cstring>
#include <numeric>
#include <string>

#include "data/input_checks.h"
#include "data/top_layout.h"

namespace lorentznet {
namespace {

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

}  // namespace

std::unique_ptr<TopLayout> open_raw_top_layout(const Hdf5File& file) {
  return std::make_unique<RawTopLayout>(file);
}

}  // namespace lorentznet
