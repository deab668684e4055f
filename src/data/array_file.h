#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

namespace lorentznet {

class Hdf5File;

/// How a file stores an array.
struct StoredArray {
  std::string name;
  std::vector<std::int64_t> shape;
  std::string type;     ///< "f4", "i8", ..., or "table, rows of 3240 bytes"
  std::string storage;  ///< "stored", "deflated", "gzip, chunks [1000, 200]", "blosc, ..."
};

/// The rows of an array (its first axis), read in order.
class ArrayRows {
 public:
  virtual ~ArrayRows() = default;
  virtual const std::vector<std::int64_t>& shape() const = 0;
  /// Reads the next `count` rows into `values`, in C order. \throws InputError
  virtual void read(std::int64_t count, std::vector<double>& values) = 0;
};

/// A file of named arrays, .npz or HDF5. All functions throw InputError if the file is damaged.
class ArrayFile {
 public:
  virtual ~ArrayFile() = default;
  virtual const std::string& name() const = 0;
  virtual bool has(const std::string& array) const = 0;
  virtual std::vector<std::string> names() const = 0;
  virtual StoredArray describe(const std::string& array) const = 0;
  virtual std::unique_ptr<ArrayRows> rows(const std::string& array) const = 0;
  /// A list of integers. \throws InputError if int64 cannot represent them
  virtual std::vector<std::int64_t> integers(const std::string& array) const = 0;
  /// Null for an .npz file.
  virtual const Hdf5File* hdf5() const { return nullptr; }

  /// \throws InputError "FILE: array 'NAME' REASON"
  [[noreturn]] void fail(const std::string& array, const std::string& reason) const;
};

/// Opens a file by its contents, not its name. \throws InputError if it is neither .npz nor HDF5
std::unique_ptr<ArrayFile> open_array_file(const std::filesystem::path& path);
std::unique_ptr<ArrayFile> open_npz_file(const std::filesystem::path& path);

/// The particles of padded jets, 'X' [jets, particles, 4].
/// \throws InputError if the shape is another, the numbers are integers or there is no jet
std::unique_ptr<ArrayRows> particle_rows(const ArrayFile& file);

/// An array with a number for each of `num_jets` jets. \throws InputError if its shape is another
std::vector<double> numbers_of_jets(const ArrayFile& file, const std::string& array,
                                    std::int64_t num_jets);

}  // namespace lorentznet
