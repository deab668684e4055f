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

/// The nonzero elements of an array, row by row.
struct SparseRows {
  std::vector<std::int64_t> offsets;  ///< [rows + 1] row r has elements offsets[r] to
                                      ///< offsets[r+1] - 1
  std::vector<std::uint32_t> place;   ///< [elements] in the row, in Fortran order
  std::vector<double> value;          ///< [elements]
};

/// An array's rows (steps along its first axis), read in blocks: memory holds one block, whether
/// the array is stored or deflated. In Fortran order, where rows are not contiguous, the array is
/// read twice, and memory holds its nonzero elements (12 bytes each).
class NpyRows {
 public:
  using Open = std::function<std::unique_ptr<ByteSource>()>;
  /// \throws InputError, beginning with `what`, if the array cannot be read (read_npy_header) or
  /// has
  ///         no axis
  NpyRows(const Open& open, std::string what);

  const NpyHeader& header() const { return header_; }
  std::int64_t num_rows() const { return header_.shape.front(); }
  /// Elements of one row.
  std::int64_t row_size() const { return header_.row_size(); }

  /// Replaces `values` by the next rows, at most `max_rows`: [rows * row_size], C order.
  /// \return the number of rows, 0 only after the last one
  /// \throws InputError if the data are truncated or damaged
  std::int64_t read(std::int64_t max_rows, std::vector<double>& values);

 private:
  void read_sparse_rows(std::int64_t rows, std::vector<double>& values) const;

  std::unique_ptr<ByteSource> source_;
  std::string what_;
  NpyHeader header_;
  std::shared_ptr<const SparseRows> sparse_;  ///< in Fortran order
  std::int64_t rows_read_ = 0;
};

/// The named arrays of an .npz file, stored or deflated. \throws InputError "FILE: array 'NAME':
/// ..." if it is damaged. Only one thread at a time may use it.
class NpzReader {
 public:
  explicit NpzReader(std::filesystem::path path) : archive_(std::move(path)) {}

  const std::filesystem::path& path() const { return archive_.path(); }
  /// Names of the arrays (without ".npy"), in the file's order.
  std::vector<std::string> names() const;
  bool has(std::string_view name) const;
  NpyHeader header(std::string_view name) const;
  /// Whether the array is deflated, not stored.
  bool is_compressed(std::string_view name) const;
  /// A whole array of integers.
  std::vector<std::int64_t> read_integers(std::string_view name) const;
  /// The rows keep the file open.
  NpyRows rows(std::string_view name) const;

 private:
  std::unique_ptr<ByteSource> open(std::string_view name) const;
  std::string describe(std::string_view name) const;

  ZipArchive archive_;
};

}  // namespace lorentznet
