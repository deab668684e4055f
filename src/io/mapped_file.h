#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <span>

namespace lorentznet {

/// A file's bytes, mapped for reading. They stay while the pointer or a copy of it lives, also when
/// the file's name is given to another file.
struct MappedFile {
  std::shared_ptr<const void> memory;
  std::span<const char> bytes;
};

/// \throws InputError if the file cannot be opened or mapped
MappedFile map_file(const std::filesystem::path& path);

}  // namespace lorentznet
