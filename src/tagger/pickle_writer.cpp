#include <limits>
#include <utility>

#include "tagger/pickle.h"

namespace lorentznet {

PickleWriter::PickleWriter() {
  op(PickleOpcode::kProto);
  little_endian(2, 1);
}

void PickleWriter::integer(std::int64_t value) {
  using Limits32 = std::numeric_limits<std::int32_t>;
  if (value >= 0 && value <= 0xff) {
    op(PickleOpcode::kBinInt1);
    little_endian(static_cast<std::uint64_t>(value), 1);
  } else if (value >= 0 && value <= 0xffff) {
    op(PickleOpcode::kBinInt2);
    little_endian(static_cast<std::uint64_t>(value), 2);
  } else if (value >= Limits32::min() && value <= Limits32::max()) {
    op(PickleOpcode::kBinInt);
    little_endian(static_cast<std::uint64_t>(value), 4);
  } else {
    op(PickleOpcode::kLong1);
    little_endian(8, 1);
    little_endian(static_cast<std::uint64_t>(value), 8);
  }
}

void PickleWriter::text(std::string_view value) {
  const std::string key = "text " + std::string(value);
  if (fetch(key)) return;
  op(PickleOpcode::kBinUnicode);
  little_endian(value.size(), 4);
  bytes_ += value;
  remember(key);
}

void PickleWriter::global(std::string_view module, std::string_view name) {
  const std::string lines = std::string(module) + "\n" + std::string(name) + "\n";
  const std::string key = "global " + lines;
  if (fetch(key)) return;
  op(PickleOpcode::kGlobal);
  bytes_ += lines;
  remember(key);
}

std::string PickleWriter::finish() {
  op(PickleOpcode::kStop);
  return std::exchange(bytes_, {});
}

bool PickleWriter::fetch(const std::string& key) {
  const auto place = memo_.find(key);
  if (place == memo_.end()) return false;
  op(PickleOpcode::kLongBinGet);
  little_endian(place->second, 4);
  return true;
}

void PickleWriter::remember(const std::string& key) {
  const auto number = static_cast<std::uint32_t>(memo_.size());
  memo_.emplace(key, number);
  op(PickleOpcode::kLongBinPut);
  little_endian(number, 4);
}

void PickleWriter::little_endian(std::uint64_t value, int bytes) {
  for (int i = 0; i < bytes; ++i) bytes_ += static_cast<char>((value >> (8 * i)) & 0xff);
}

}  // namespace lorentznet
