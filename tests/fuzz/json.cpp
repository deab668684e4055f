#include "io/json.h"

#include <string>

#include "fuzz/common.h"
#include "fuzz/targets.h"
#include "tagger/description.h"

namespace lorentznet::fuzz {
namespace {

/// Writes what was read, and reads it again.
void check_rewritten(const Json& read, const std::string& name) {
  // Strings of a file may hold what is not UTF-8, which can be read but not written.
  const auto written = [](const Json& json) {
    return json.dump(4, ' ', /*ensure_ascii=*/true, Json::error_handler_t::replace);
  };
  const auto text = written(read);
  require(written(parse_json(text, name)) == text, "JSON changed");
  for (const auto& [key, value] : read.items())
    require(short_text(value).size() <= 100, "a long text");
}

}  // namespace

bool json(std::string_view bytes) {
  const std::string name = "file.json";
  const bool described = is_accepted(name, [&] {
    const auto text = to_text(parse_description(std::string(bytes), name));
    require(to_text(parse_description(text, name)) == text, "a description changed");
  });
  return is_accepted(name, [&] { check_rewritten(parse_json(bytes, name), name); }) || described;
}

}  // namespace lorentznet::fuzz
