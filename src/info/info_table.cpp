#include <fmt/format.h>

#include "info/jets_info.h"

namespace lorentznet {
namespace {

std::string range_text(const Json& range, const char* unit) {
  if (range.is_null()) return "none";
  return fmt::format("{:.6g} to {:.6g}, mean {:.6g}{}", range.at("min").get<double>(),
                     range.at("max").get<double>(), range.at("mean").get<double>(), unit);
}

std::string line(const std::string& name, const std::string& value) {
  return fmt::format("  {:<20}{}\n", name, value);
}

std::string class_text(const Json& classes) {
  std::string text;
  for (const auto& [label, count] : classes.items()) {
    text += fmt::format("{}{}: {}", text.empty() ? "" : ", ", label, count.get<std::int64_t>());
  }
  return text;
}

std::string bad_text(const Json& info) {
  constexpr std::size_t most_reasons = 20;
  const auto& reasons = info.at("reasons");
  if (reasons.empty()) return line("bad jets", "none");
  std::string text = line("bad jets", fmt::format("{} ({:.3g} %)", reasons.size(),
                                                  100. * static_cast<double>(reasons.size()) /
                                                      info.at("jets").get<double>()));
  for (std::size_t place = 0; place < std::min(reasons.size(), most_reasons); ++place) {
    // Each begins with the file's name, which stands above.
    const auto reason = reasons[place].get<std::string>();
    text += "    " + reason.substr(info.at("file").get<std::string>().size() + 2) + "\n";
  }
  if (reasons.size() > most_reasons) {
    text += fmt::format("    ... and {} more (--json lists all)\n", reasons.size() - most_reasons);
  }
  return text;
}

}  // namespace

std::string info_table(const Json& info) {
  std::string text = info.at("file").get<std::string>() + "\n";
  text += line("layout", info.at("layout").get<std::string>());
  text += line("size", fmt::format("{} bytes", info.at("bytes").get<std::int64_t>()));
  text += line("SHA-256", info.at("sha256").get<std::string>());
  for (const auto& array : info.at("arrays")) {
    text += line("array", fmt::format("{} {} {}, {}", array.at("name").get<std::string>(),
                                      array.at("shape").dump(), array.at("type").get<std::string>(),
                                      array.at("storage").get<std::string>()));
  }
  text += line("jets", std::to_string(info.at("jets").get<std::int64_t>()));
  text += line("classes", class_text(info.at("classes")));
  text += line("constituents", range_text(info.at("constituents"), ""));
  text += line("jet pT", range_text(info.at("jet_pt"), " GeV"));
  text += line("jet mass", range_text(info.at("jet_mass"), " GeV"));
  text += line("jet eta", range_text(info.at("jet_eta"), ""));
  text += line("constituent E", range_text(info.at("constituent_energy"), " GeV"));
  text += line("constituent pT", range_text(info.at("constituent_pt"), " GeV"));
  if (info.contains("scalars")) {
    text +=
        line("scalars", fmt::format("{} a constituent", info.at("scalars").get<std::int64_t>()));
  }
  if (info.contains("weight")) text += line("weights", range_text(info.at("weight"), ""));
  if (info.at("ids").get<bool>()) text += line("ids", "yes");
  return text + bad_text(info);
}

}  // namespace lorentznet
