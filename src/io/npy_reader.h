#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "io/byte_source.h"
#include "io/npy.h"
#include "io/zip.h"

namespace lorentznet {

/// The most elements that are read as a whole unless the caller says otherwise: 2 GiB of doubles.
inline constexpr std::int64_t max_whole_array = std::int64_t{1} << 28;

/// An array's rows (steps along its first axis), read block by block: memory holds one block,
/// however large the array is and whether it is stored or deflated.
class NpyRows {
 public:
  /// Throws InputError, beginning with `what`, when the array can't be read (read_npy_header), has
  /// no axis, or has several in Fortran order, where rows aren't consecutive.
  NpyRows(std::unique_ptr<ByteSource> source, std::string what);

  const NpyHeader& header() const { return header_; }
  std::int64_t num_rows() const { return header_.shape.front(); }
  /// Elements of one row.
  std::int64_t row_size() const { return header_.row_size(); }

  /// Puts the next rows, `max_rows` at most, into `values` [rows * row_size, C order], replacing
  /// what it held, and returns how many: 0 only behind the last one. Throws InputError when the
  /// data are cut off or damaged.
  std::int64_t read(std::int64_t max_rows, std::vector<double>& values);

 private:
  std::unique_ptr<ByteSource> source_;
  std::string what_;
  NpyHeader header_;
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
  NpyArray read(std::string_view name, std::int64_t max_elements = max_whole_array) const;
  /// The rows keep the file open by themselves.
  NpyRows rows(std::string_view name) const;

 private:
  std::unique_ptr<ByteSource> open(std::string_view name) const;
  std::string describe(std::string_view name) const;

  ZipArchive archive_;
};

}  // namespace lorentznet
