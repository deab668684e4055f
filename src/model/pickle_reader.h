#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace lorentznet {

/// A value in a Pickle. Parts are indices into Pickle::values, so a value that contains itself (a
/// pickle can say so) or is nested deeply is harmless to build and to destroy.
struct PickleValue {
  enum class Kind {
    none,
    boolean,
    integer,
    real,
    text,
    tuple,
    list,
    dict,
    global,
    persistent,
    call
  };

  Kind kind = Kind::none;
  std::int64_t integer = 0;    ///< of an integer; 0 or 1 of a boolean
  std::string_view text = {};  ///< of a text; "MODULE NAME" of a global
  std::vector<std::uint32_t> parts =
      {};  ///< tuple, list: elements; dict: key, value, key, value, ...;
           ///< persistent: its id; call: the global, the arguments' tuple

  /// What it is, for a message: "an integer", "a dict", ...
  std::string describe() const;
};

/// A parsed pickle: data only. Its texts are views of the bytes that it was parsed from and of the
/// globals that were allowed.
struct Pickle {
  std::vector<PickleValue> values;
  std::uint32_t root = 0;

  const PickleValue& at(std::uint32_t index) const { return values.at(index); }
};

/// Parses a pickle of protocol 2 (or below) with the opcodes that plain containers, numbers, texts
/// and calls need. Nothing is called: a call is a value of its own, except collections.OrderedDict
/// without arguments, which is an empty dict; state that is set on a dict is dropped.
///
/// Throws InputError, beginning with `what`, for any other opcode, for a global not in
/// `allowed_globals` ("MODULE NAME") and for a pickle that is malformed or cut off. Time and memory
/// are proportional to bytes.size().
Pickle parse_pickle(std::string_view bytes, const std::string& what,
                    std::span<const std::string_view> allowed_globals);

}  // namespace lorentznet
