#pragma once

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "lorentznet/error.h"
#include "support.h"

namespace lorentznet::test {

/// The message of the InputError that `function` throws, "" when it throws none. Other exceptions
/// pass.
template <typename Function>
std::string input_error(Function function) {
  try {
    function();
  } catch (const InputError& error) {
    return error.what();
  }
  return "";
}

/// The same, checked to be one line that begins with the name of `file`.
template <typename Function>
std::string input_error_naming(const std::filesystem::path& file, Function function) {
  const std::string message = input_error(function);
  if (!message.empty()) CHECK_THAT(message, Catch::StartsWith(file.string() + ": "));
  CHECK(message.find('\n') == std::string::npos);
  return message;
}

/// Writes a file into the folder and returns its path. One that is there goes first: ext4 waits for
/// the disk, 15 ms and more, when a file that was emptied is closed.
inline std::filesystem::path write_file(const TemporaryFolder& folder, const std::string& name,
                                        const std::string& contents) {
  const auto path = folder / name;
  std::filesystem::remove(path);
  std::ofstream(path, std::ios::binary) << contents;
  return path;
}

/// A file that numpy wrote (by tests/io/files/make.py).
inline std::filesystem::path numpy_file(const std::string& name) {
  return std::filesystem::path(LORENTZNET_SOURCE_DIR) / "tests" / "io" / "files" / name;
}

/// Contents of numpy's arrays "cube": 2 x 3 x 4, in C order.
inline std::vector<double> cube_values() {
  std::vector<double> values;
  for (int i = 0; i < 24; ++i) values.push_back(i / 8.0 - 1);
  return values;
}

}  // namespace lorentznet::test
