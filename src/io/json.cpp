#include "io/json.h"

#include "io/file.h"
#include "lorentznet/error.h"

namespace lorentznet {

Json read_json(const std::filesystem::path& file) {
  constexpr std::size_t kMaxBytes = 64 << 20;
  const auto text = read_file(file, kMaxBytes);
  const auto json = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) throw InputError(file.string() + ": not a JSON object");
  return json;
}

void write_json(const std::filesystem::path& file, const Json& json) {
  write_file_whole(file, json.dump(4));
}

}  // namespace lorentznet
