#pragma once

#include <H5Cpp.h>

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "lorentznet/error.h"

namespace lorentznet {

/// Keeps HDF5 from printing its error stack as long as it lives.
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

/// Data set of an HDF5 file, read in blocks of rows. Every error is an InputError that names the
/// file, the data set and the reason.
class Hdf5Dataset {
 public:
  Hdf5Dataset(const H5::H5File& file, const std::string& file_name, const std::string& name);

  const std::vector<std::int64_t>& shape() const { return shape_; }
  std::int64_t rows() const { return shape_.empty() ? 0 : shape_[0]; }
  const H5::DataSet& handle() const { return dataset_; }

  /// Reads rows [first, first + count) as `memory_type` into `values`, which has room for them.
  void read_rows(std::int64_t first, std::int64_t count, const H5::DataType& memory_type,
                 void* values) const;

  /// Throws the error "FILE: data set 'NAME': REASON".
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

/// What `f` returns; what the HDF5 library throws becomes an InputError about `file`.
template <typename F>
auto catch_hdf5_errors(const std::string& file, F f) {
  try {
    return f();
  } catch (const H5::Exception&) {
    throw InputError(file + ": damaged HDF5 file: " + hdf5_reason());
  }
}

/// HDF5 file opened for reading.
class Hdf5File {
 public:
  /// Throws InputError where there is no file, or one that isn't HDF5 or is damaged.
  explicit Hdf5File(const std::filesystem::path& path);

  const std::string& name() const { return name_; }
  /// True if the object /A/B of path "A/B" is there.
  bool has(const std::string& object) const;
  /// Names of the objects at the top.
  std::vector<std::string> names() const;
  /// The same for messages: "'Pmu', 'label'", or "nothing".
  std::string contents() const;
  Hdf5Dataset dataset(const std::string& name) const;

 private:
  SilencedHdf5Errors silenced_;  // before the file: closing it may fail too
  std::string name_;
  H5::H5File file_;
};

constexpr H5Z_filter_t kBloscFilter = 32001;

using Extents = std::vector<hsize_t>;

/// Of each axis; none of a single value.
Extents extents_of(const H5::DataSpace& space);
/// Of the chunks of a data set of `axes` axes that is stored in chunks.
Extents chunk_extents(const H5::DSetCreatPropList& layout, std::size_t axes);
/// The filter at `place`, in the order of writing.
H5Z_filter_t filter_at(const H5::DSetCreatPropList& layout, int place);

/// Why the chunks that hold rows first .. first + count - 1 must not be read; empty if they may be.
///
/// HDF5 (1.10 at least) copies a whole chunk from what the filters gave, however short that is. So
/// the size that blosc's header announces, and whether a chunk went through the filters at all, are
/// compared with the chunk's here. (deflate has a checksum, which finds such damage.)
/// \throws H5::Exception where HDF5 finds damage itself
std::string damaged_chunk(const H5::DataSet& dataset, std::int64_t first, std::int64_t count);

}  // namespace lorentznet
