#include "data/input_checks.h"

#include <algorithm>
#include <sstream>
#include <stdexcept>

#include "lorentznet/error.h"

namespace lorentznet {

void throw_file_error(const std::string& file, const std::string& reason) {
  throw InputError(file + ": " + reason);
}

std::string format_number(double value) {
  std::ostringstream text;
  text.precision(10);
  text << value;
  return text.str();
}

std::string format_shape(const std::vector<std::int64_t>& shape) {
  std::string text = "[";
  for (const std::int64_t extent : shape) {
    text += (text.size() > 1 ? ", " : "") + std::to_string(extent);
  }
  return text + "]";
}

std::int64_t jets_to_read(std::int64_t available, std::int64_t max_jets) {
  if (max_jets < -1) {
    throw std::invalid_argument("number of jets to read: " + std::to_string(max_jets) +
                                " (-1 means all)");
  }
  return max_jets == -1 ? available : std::min(available, max_jets);
}

}  // namespace lorentznet
