#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "model/pickle_opcodes.h"

namespace lorentznet {

/// Writes a pickle of protocol 2, opcode by opcode, in the order in which Python's stack machine
/// executes them. Globals and texts that come again are fetched from the memo, as Python does.
class PickleWriter {
 public:
  /// Starts with PROTO 2.
  PickleWriter();

  /// An opcode without an argument.
  void op(PickleOpcode opcode) { bytes_ += static_cast<char>(opcode); }
  void integer(std::int64_t value);
  void text(std::string_view value);
  void global(std::string_view module, std::string_view name);

  /// Ends with STOP and gives the pickle away.
  std::string finish();

 private:
  bool fetch(const std::string& key);
  void remember(const std::string& key);
  void little_endian(std::uint64_t value, int bytes);

  std::string bytes_;
  std::map<std::string, std::uint32_t> memo_;
};

}  // namespace lorentznet
