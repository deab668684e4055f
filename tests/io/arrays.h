#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "io/file.h"
#include "io/npz.h"

namespace lorentznet::test {

/// A whole array as doubles.
struct NpyArray {
  std::vector<std::int64_t> shape;
  std::vector<double> values;  ///< as in the file: in C or Fortran order
};

inline NpyArray read_array(ByteSource& source, const std::string& what) {
  const NpyHeader header = read_npy_header(source, what);
  const auto count = static_cast<std::size_t>(header.element_count());
  std::string bytes(count * header.item_size(), '\0');
  source.read(bytes);
  NpyArray array{header.shape, std::vector<double>(count)};
  npy_to_double(header.descr, bytes, array.values);
  return array;
}

/// The array of a .npy file.
inline NpyArray read_npy(const std::filesystem::path& path) {
  FileSource source(path);
  return read_array(source, path.string());
}

/// An array of an .npz file.
inline NpyArray read_npz(const std::filesystem::path& path, const std::string& name) {
  return read_array(*ZipArchive(path).stream(name + ".npy"), path.string());
}

}  // namespace lorentznet::test
