#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace lorentznet {

/// The opcodes of pickle protocol 2 that occur in a state dict (Python: pickletools).
enum class PickleOpcode : std::uint8_t {
  kMark = '(',
  kStop = '.',
  kBinInt = 'J',
  kBinInt1 = 'K',
  kBinInt2 = 'M',
  kNone = 'N',
  kBinPersid = 'Q',
  kReduce = 'R',
  kBinUnicode = 'X',
  kAppend = 'a',
  kBuild = 'b',
  kGlobal = 'c',
  kAppends = 'e',
  kBinGet = 'h',
  kLongBinGet = 'j',
  kBinPut = 'q',
  kLongBinPut = 'r',
  kSetItem = 's',
  kTuple = 't',
  kSetItems = 'u',
  kEmptyDict = '}',
  kEmptyList = ']',
  kEmptyTuple = ')',
  kBinFloat = 'G',
  kProto = 0x80,
  kTuple1 = 0x85,
  kTuple2 = 0x86,
  kTuple3 = 0x87,
  kNewTrue = 0x88,
  kNewFalse = 0x89,
  kLong1 = 0x8a,
};

/// A value in a Pickle. Its parts are indices into Pickle::values, so that values nested deeply or
/// containing themselves (a pickle can express both) are harmless to build and to destroy.
struct PickleValue {
  enum class Kind {
    kNone,
    kBoolean,
    kInteger,
    kReal,
    kText,
    kTuple,
    kList,
    kDict,
    kGlobal,
    kPersistent,
    kCall
  };

  Kind kind = Kind::kNone;
  std::int64_t integer = 0;    ///< of an integer; 0 or 1 of a boolean
  std::string_view text = {};  ///< of a text; "MODULE NAME" of a global
  /// Tuple, list: elements. Dict: key, value, key, value, ... Persistent: its id. Call: the global
  /// and the tuple of arguments.
  std::vector<std::uint32_t> parts = {};

  /// "an integer", "a dict", ... for messages.
  std::string describe() const;
};

/// A parsed pickle: data only. Its texts are views of the bytes that it was parsed from and of the
/// allowed globals.
struct Pickle {
  std::vector<PickleValue> values;
  std::uint32_t root = 0;

  const PickleValue& at(std::uint32_t index) const { return values.at(index); }
};

/// Parses a pickle of protocol 2 or below that uses the opcodes of plain containers, numbers, texts
/// and calls. Nothing is executed: a call becomes a value, except that of collections.OrderedDict
/// without arguments, which becomes an empty dict; state set on a dict is dropped. Time and memory
/// are proportional to bytes.size().
///
/// \param what             begins every message
/// \param allowed_globals  "MODULE NAME" each
/// \throws InputError for any other opcode or global and for a malformed or truncated pickle
Pickle parse_pickle(std::string_view bytes, const std::string& what,
                    std::span<const std::string_view> allowed_globals);

/// Writes a pickle of protocol 2, opcode by opcode, in the order in which Python's stack machine
/// executes them. Repeated globals and texts are fetched from the memo, as Python does.
class PickleWriter {
 public:
  /// Starts with PROTO 2.
  PickleWriter();

  /// An opcode without an argument.
  void op(PickleOpcode opcode) { bytes_ += static_cast<char>(opcode); }
  void integer(std::int64_t value);
  void text(std::string_view value);
  void global(std::string_view module, std::string_view name);

  /// Ends with STOP and returns the pickle.
  std::string finish();

 private:
  bool fetch(const std::string& key);
  void remember(const std::string& key);
  void little_endian(std::uint64_t value, int bytes);

  std::string bytes_;
  std::map<std::string, std::uint32_t> memo_;
};

}  // namespace lorentznet
