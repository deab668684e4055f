#pragma once

#include <filesystem>
#include <fstream>
#include <string>

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

/// Writes a file into the folder and returns its path.
inline std::filesystem::path write_file(const TemporaryFolder& folder, const std::string& name,
                                        const std::string& contents) {
  std::ofstream(folder / name, std::ios::binary) << contents;
  return folder / name;
}

}  // namespace lorentznet::test
