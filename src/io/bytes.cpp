#include "io/bytes.h"

#include <utility>

#include "lorentznet/error.h"

namespace lorentznet {

BoundedReader::BoundedReader(std::string_view bytes, std::string what)
    : bytes_(bytes), what_(std::move(what)) {}

std::string_view BoundedReader::take(std::uint64_t count) {
  if (count > left()) {
    fail("needs " + std::to_string(count) + " more bytes, " + std::to_string(left()) + " are left");
  }
  const auto view = bytes_.substr(position_, static_cast<std::size_t>(count));
  position_ += view.size();
  return view;
}

std::string_view BoundedReader::line() {
  const std::size_t end = bytes_.find('\n', position_);
  if (end == std::string_view::npos) {
    fail("no line ends in the " + std::to_string(left()) + " bytes left");
  }
  const auto view = bytes_.substr(position_, end - position_);
  position_ = end + 1;
  return view;
}

void BoundedReader::fail(const std::string& message) const {
  throw InputError(what_ + ": byte " + std::to_string(position_) + ": " + message);
}

}  // namespace lorentznet
