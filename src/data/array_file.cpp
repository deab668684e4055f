#include "data/array_file.h"

#include <array>
#include <string_view>

#include "data/input_checks.h"
#include "io/file.h"

namespace lorentznet {

void ArrayFile::fail(const std::string& array, const std::string& reason) const {
  throw_file_error(name(), "array '" + array + "' " + reason);
}

bool is_zip_file(const std::filesystem::path& path) {
  if (!std::filesystem::exists(path)) throw_file_error(path.string(), "no such file");
  if (!std::filesystem::is_regular_file(path)) throw_file_error(path.string(), "not a file");
  std::array<char, 2> magic{};
  const std::size_t got = FileSource(path).read(magic);
  return std::string_view(magic.data(), got) == "PK";
}

std::unique_ptr<ArrayFile> open_array_file(const std::filesystem::path& path) {
  return is_zip_file(path) ? open_npz_array_file(path) : open_hdf5_array_file(path);
}

}  // namespace lorentznet
