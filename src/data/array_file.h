#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

namespace lorentznet {

/// The rows of an array (its first axis), read from front to back.
class ArrayRows {
 public:
  virtual ~ArrayRows() = default;
  virtual const std::vector<std::int64_t>& shape() const = 0;
  virtual bool is_floating_point() const = 0;
  /// Puts the next `count` rows into `values`, in C order. \throws InputError
  virtual void read(std::int64_t count, std::vector<double>& values) = 0;
};

/// A file of named arrays, .npz or HDF5. Everything wrong with it throws InputError.
class ArrayFile {
 public:
  virtual ~ArrayFile() = default;
  virtual const std::string& name() const = 0;
  virtual bool has(const std::string& array) const = 0;
  /// Names of all that the file holds.
  virtual std::vector<std::string> names() const = 0;
  virtual std::unique_ptr<ArrayRows> rows(const std::string& array) const = 0;
  /// A whole array of integers; none that int64 cannot hold.
  virtual std::vector<std::int64_t> integers(const std::string& array) const = 0;

  /// Throws the error "FILE: array 'NAME' REASON".
  [[noreturn]] void fail(const std::string& array, const std::string& reason) const;
};

/// Opens a file by what it is, not by its name. \throws InputError if it is neither
std::unique_ptr<ArrayFile> open_array_file(const std::filesystem::path& path);

/// Whether a file begins as a zip archive does. \throws InputError if it cannot be read
bool is_zip_file(const std::filesystem::path& path);

std::unique_ptr<ArrayFile> open_npz_array_file(const std::filesystem::path& path);
std::unique_ptr<ArrayFile> open_hdf5_array_file(const std::filesystem::path& path);

}  // namespace lorentznet
