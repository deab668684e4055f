#include "info/jets_info.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <exception>
#include <limits>
#include <map>
#include <stdexcept>
#include <system_error>

#include "data/layout.h"
#include "io/hash.h"
#include "io/message.h"
#include "lorentznet/error.h"

namespace lorentznet {
namespace {

/// Smallest, mean and largest of some numbers.
class Range {
 public:
  void add(double value) {
    smallest_ = std::min(smallest_, value);
    largest_ = std::max(largest_, value);
    sum_ += value;
    ++count_;
  }
  Json json() const {
    if (count_ == 0) return nullptr;
    return {{"min", smallest_}, {"mean", sum_ / static_cast<double>(count_)}, {"max", largest_}};
  }

 private:
  double smallest_ = std::numeric_limits<double>::infinity();
  double largest_ = -std::numeric_limits<double>::infinity();
  double sum_ = 0;
  std::int64_t count_ = 0;
};

double transverse(const double* p4) { return std::hypot(p4[1], p4[2]); }

/// Ranges of the kinematics of jets and constituents.
Json kinematics(const JetSet& jets) {
  Range multiplicity, energy, constituent_pt, pt, mass, eta;
  for (std::int64_t jet = 0; jet < jets.num_jets(); ++jet) {
    std::array<double, 4> sum{};
    for (auto p = jets.offsets[jet]; p < jets.offsets[jet + 1]; ++p) {
      const double* p4 = jets.p4.data() + 4 * p;
      for (std::size_t axis = 0; axis < 4; ++axis) sum[axis] += p4[axis];
      energy.add(p4[0]);
      constituent_pt.add(transverse(p4));
    }
    multiplicity.add(static_cast<double>(jets.multiplicity(jet)));
    const double jet_pt = transverse(sum.data());
    pt.add(jet_pt);
    const double mass2 = sum[0] * sum[0] - sum[1] * sum[1] - sum[2] * sum[2] - sum[3] * sum[3];
    mass.add(std::sqrt(std::max(mass2, 0.0)));
    if (jet_pt > 0) eta.add(std::asinh(sum[3] / jet_pt));
  }
  return {{"constituents", multiplicity.json()},
          {"jet_pt", pt.json()},
          {"jet_mass", mass.json()},
          {"jet_eta", eta.json()},
          {"constituent_energy", energy.json()},
          {"constituent_pt", constituent_pt.json()}};
}

Json classes(const JetSet& jets) {
  std::map<int, std::int64_t> counts;
  for (const auto label : jets.label) ++counts[label];
  Json json = Json::object();
  for (const auto& [label, count] : counts) {
    json[label < 0 ? "without label" : std::to_string(label)] = count;
  }
  return json;
}

Json arrays(const ArrayFile& file) {
  Json json = Json::array();
  for (const auto& array : stored_arrays(file)) {
    json.push_back({{"name", array.name},
                    {"shape", array.shape},
                    {"type", array.type},
                    {"storage", array.storage}});
  }
  return json;
}

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
  constexpr std::size_t kMostReasons = 20;
  const auto& reasons = info.at("reasons");
  if (reasons.empty()) return line("bad jets", "none");
  std::string text = line("bad jets", fmt::format("{} ({:.3g} %)", reasons.size(),
                                                  100. * static_cast<double>(reasons.size()) /
                                                      info.at("jets").get<double>()));
  for (std::size_t place = 0; place < std::min(reasons.size(), kMostReasons); ++place) {
    // Each begins with the file's name, which the table already shows.
    const auto reason = reasons[place].get<std::string>();
    text += "    " + reason.substr(info.at("file").get<std::string>().size() + 2) + "\n";
  }
  if (reasons.size() > kMostReasons) {
    text += fmt::format("    ... and {} more (--json lists all)\n", reasons.size() - kMostReasons);
  }
  return text;
}

constexpr const char* kUsage =
    "usage: jets info [--json] FILE...\n"
    "Shows the contents of files of jets, and the jets that top_tagging and qg_tagging refuse.\n"
    "  --json   print a list with one object per file instead of tables\n";

struct Words {
  bool json = false;
  bool help = false;
  std::vector<std::string> files;
};

Words parse(int argc, const char* const* argv) {
  Words words;
  for (int place = 1; place < argc; ++place) {
    const std::string word = argv[place];
    if (word == "--help") {
      words.help = true;
    } else if (word == "--json") {
      words.json = true;
    } else if (word.starts_with("--")) {
      throw InputError("unknown flag " + word + " (see --help)");
    } else {
      words.files.push_back(word);
    }
  }
  if (words.help) return words;
  if (words.files.empty() || words.files.front() != "info") {
    throw InputError("expected 'info' and the names of files (see --help)");
  }
  words.files.erase(words.files.begin());
  if (words.files.empty()) throw InputError("info: expected the name of a file (see --help)");
  return words;
}

int run(const Words& words) {
  if (words.help) {
    std::fputs(kUsage, stdout);
    return 0;
  }
  Json all = Json::array();
  for (const auto& file : words.files) {
    all.push_back(jets_info(file));
    if (!words.json) std::fputs(info_table(all.back()).c_str(), stdout);
  }
  if (words.json) std::fputs((all.dump(2) + "\n").c_str(), stdout);
  if (std::fflush(stdout) != 0 || std::ferror(stdout) != 0) {
    throw std::runtime_error("stdout could not be written");
  }
  return 0;
}

int report(const char* error, int status) {
  std::fprintf(stderr, "jets: %s\n", in_one_line(error).c_str());
  return status;
}

}  // namespace

Json jets_info(const std::filesystem::path& file) {
  const auto opened = open_array_file(file);
  const FileLayout layout = probable_layout_of(*opened);
  const JetSet jets = read_jets(*opened, layout, -1, {.skip = true, .most = 1});
  Json json{{"file", file.string()},
            {"bytes", std::filesystem::file_size(file)},
            {"sha256", sha256_of_file(file)},
            {"layout", describe(layout)},
            {"arrays", arrays(*opened)},
            {"jets", jets.num_jets() + static_cast<std::int64_t>(jets.skipped.size())},
            {"classes", classes(jets)}};
  json.update(kinematics(jets));
  if (jets.num_scalars() > 0) json["scalars"] = jets.num_scalars();
  if (!jets.weight.empty()) {
    Range weight;
    for (const double value : jets.weight) weight.add(value);
    json["weight"] = weight.json();
  }
  json["ids"] = !jets.id.empty();
  json["bad_jets"] = jets.skipped.size();
  json["reasons"] = jets.skipped;
  return json;
}

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

int run_jets(int argc, const char* const* argv) {
  try {
    return run(parse(argc, argv));
  } catch (const InputError& error) {
    return report(error.what(), 2);
  } catch (const std::system_error& error) {  // a path that can't be followed
    return report(error.what(), 2);
  } catch (const std::exception& error) {
    return report(error.what(), 1);
  }
}

}  // namespace lorentznet
