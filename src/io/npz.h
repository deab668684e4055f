#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "io/bytes.h"
#include "io/npy.h"
#include "io/zip.h"

namespace lorentznet {

/// The most elements that are read as a whole unless the caller says otherwise: 2 GiB of doubles.
inline constexpr std::int64_t max_whole_array = std::int64_t{1} << 28;

/// The elements of an array that are not zero, row by row.
struct SparseRows {
  std::vector<std::int64_t>
      offsets;                       ///< [rows + 1] row r has elements offsets[r] .. offsets[r+1]-1
  std::vector<std::uint32_t> place;  ///< [elements] in the row, in Fortran order
  std::vector<double> value;         ///< [elements]
};

/// An array's rows (steps along its first axis), read block by block: memory holds one block,
/// however large the array is and whether it is stored or deflated. In Fortran order, where rows
/// aren't consecutive, the array is gone through twice, and memory holds its elements that are not
/// zero (12 bytes each).
class NpyRows {
 public:
  using Open = std::function<std::unique_ptr<ByteSource>()>;
  /// Throws InputError, beginning with `what`, when the array can't be read (read_npy_header) or
  /// has no axis.
  NpyRows(const Open& open, std::string what);

  const NpyHeader& header() const { return header_; }
  std::int64_t num_rows() const { return header_.shape.front(); }
  /// Elements of one row.
  std::int64_t row_size() const { return header_.row_size(); }

  /// Puts the next rows, `max_rows` at most, into `values` [rows * row_size, C order], replacing
  /// what it held, and returns how many: 0 only behind the last one. Throws InputError when the
  /// data are cut off or damaged.
  std::int64_t read(std::int64_t max_rows, std::vector<double>& values);

 private:
  void read_sparse_rows(std::int64_t rows, std::vector<double>& values) const;

  std::unique_ptr<ByteSource> source_;
  std::string what_;
  NpyHeader header_;
  std::shared_ptr<const SparseRows> sparse_;  ///< in Fortran order
  std::int64_t rows_read_ = 0;
};

/// A whole array as doubles.
struct NpyArray {
  std::vector<std::int64_t> shape;
  std::vector<double> values;  ///< in C order, whatever the file's order
};

/// Reads a .npy file. Throws InputError, also when it has more than `max_elements`.
NpyArray read_npy(const std::filesystem::path& path, std::int64_t max_elements = max_whole_array);

/// The named arrays of an .npz file, stored or deflated. Everything wrong with it throws
/// InputError, "FILE: array 'NAME': ...". Not for use from several threads at once.
class NpzReader {
 public:
  explicit NpzReader(std::filesystem::path path) : archive_(std::move(path)) {}

  const std::filesystem::path& path() const { return archive_.path(); }
  /// Names of the arrays (without ".npy") in the file's order.
  std::vector<std::string> names() const;
  bool has(std::string_view name) const;
  NpyHeader header(std::string_view name) const;
  /// Whether the array is deflated; else it is stored as it is.
  bool is_compressed(std::string_view name) const;
  NpyArray read(std::string_view name, std::int64_t max_elements = max_whole_array) const;
  /// A whole array of integers.
  std::vector<std::int64_t> read_integers(std::string_view name) const;
  /// The rows keep the file open by themselves.
  NpyRows rows(std::string_view name) const;

 private:
  std::unique_ptr<ByteSource> open(std::string_view name) const;
  std::string describe(std::string_view name) const;

  ZipArchive archive_;
};

}  // namespace lorentznet
