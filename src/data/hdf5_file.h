#pragma once

#include <H5Cpp.h>

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "data/array_file.h"
#include "lorentznet/error.h"

namespace lorentznet {

/// Keeps HDF5 from printing its error stack while it lives.
class SilencedHdf5Errors {
 public:
  SilencedHdf5Errors();
  ~SilencedHdf5Errors();
  SilencedHdf5Errors(const SilencedHdf5Errors&) = delete;
  SilencedHdf5Errors& operator=(const SilencedHdf5Errors&) = delete;

 private:
  H5E_auto2_t print_ = nullptr;
  void* print_data_ = nullptr;
};

/// A data set of an HDF5 file, read in blocks of rows. Every error is an InputError with the file,
/// the data set and the reason.
class Hdf5Dataset {
 public:
  Hdf5Dataset(const H5::H5File& file, const std::string& file_name, const std::string& name);

  const std::vector<std::int64_t>& shape() const { return shape_; }
  std::int64_t rows() const { return shape_.empty() ? 0 : shape_[0]; }
  const H5::DataSet& handle() const { return dataset_; }
  H5T_class_t type_class() const { return dataset_.getTypeClass(); }
  /// Whether the elements are booleans as h5py writes them: an enumeration FALSE = 0, TRUE = 1.
  /// HDF5 reads them as numbers.
  bool holds_booleans() const;

  /// Reads rows [first, first + count) as `memory_type` into `values`, which has room for them.
  void read_rows(std::int64_t first, std::int64_t count, const H5::DataType& memory_type,
                 void* values) const;

  /// \throws InputError "FILE: data set 'NAME' REASON"
  [[noreturn]] void fail(const std::string& reason) const;

 private:
  void open(const H5::H5File& file);
  void require_filters() const;

  H5::DataSet dataset_;
  std::string file_name_;
  std::string name_;
  std::vector<std::int64_t> shape_;
};

/// Reason of HDF5's innermost failure, in one line: "truncated file: eof = 4096, ...".
std::string hdf5_reason();

/// Returns f(). \throws InputError about `file` in place of the HDF5 library's exceptions
template <typename F>
auto catch_hdf5_errors(const std::string& file, F f) {
  try {
    return f();
  } catch (const H5::Exception&) {
    throw InputError(file + ": damaged HDF5 file: " + hdf5_reason());
  }
}

/// An HDF5 file opened for reading.
class Hdf5File : public ArrayFile {
 public:
  /// \throws InputError if there is no such file, or if it is damaged or not HDF5
  explicit Hdf5File(const std::filesystem::path& path);

  const std::string& name() const override { return name_; }
  /// Whether the object /A/B of path "A/B" exists.
  bool has(const std::string& object) const override;
  /// Names of the objects in the root group.
  std::vector<std::string> names() const override;
  StoredArray describe(const std::string& array) const override;
  std::unique_ptr<ArrayRows> rows(const std::string& array) const override;
  std::vector<std::int64_t> integers(const std::string& array) const override;
  const Hdf5File* hdf5() const override { return this; }
  Hdf5Dataset dataset(const std::string& name) const { return {file_, name_, name}; }

 private:
  SilencedHdf5Errors silenced_;  // before the file: closing it may fail too
  std::string name_;
  H5::H5File file_;
};

}  // namespace lorentznet
