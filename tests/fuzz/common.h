#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

#include "lorentznet/error.h"
#include "lorentznet/jets.h"

namespace lorentznet::fuzz {

/// A file in memory, gone at the end.
class MemoryFile {
 public:
  explicit MemoryFile(std::string_view bytes);
  ~MemoryFile();
  MemoryFile(const MemoryFile&) = delete;
  MemoryFile& operator=(const MemoryFile&) = delete;

  std::filesystem::path path() const { return "/proc/self/fd/" + std::to_string(descriptor_); }

 private:
  int descriptor_;
};

/// A folder for what a target writes, for the whole process.
const std::filesystem::path& scratch_folder();

/// \throws std::logic_error, a finding
void require(bool holds, const std::string& what);

/// Requires one line of printable text, not long, that begins with `name`.
void require_message(const std::string& message, const std::string& name);

/// Whether `use` returns. If it throws an InputError instead, its message is checked.
template <typename Use>
bool is_accepted(const std::string& name, Use use) {
  try {
    use();
    return true;
  } catch (const InputError& error) {
    require_message(error.what(), name);
    return false;
  }
}

/// Requires of jets what every reader promises: indices that lead to elements, finite momenta with
/// E > 0 and, up to rounding, no more momentum than energy.
void require_sound(const JetSet& jets);

/// `bytes` as the zip archive that they nearly are, with checksums that fit its stored entries:
/// behind them is most of what reads such files.
std::string with_right_checksums(std::string_view bytes);

}  // namespace lorentznet::fuzz
