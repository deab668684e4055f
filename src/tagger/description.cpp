#include "tagger/description.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "io/json.h"
#include "io/message.h"
#include "tagger/state_dict_format.h"

namespace lorentznet {
namespace {

constexpr std::int64_t kFormat = 1;
constexpr std::size_t kMostTests = 100, kMostFiles = 10'000;

Json to_json(const TestVector& test) {
  Json json{{"p4", test.p4}};
  if (!test.pdg_id.empty()) json["pdg_id"] = test.pdg_id;
  if (!test.scalars.empty()) json["scalars"] = test.scalars;
  json["probabilities"] = test.probabilities;
  return json;
}

/// Reads the values of a description; each that is missing or of another kind is an InputError.
class DescriptionReader {
 public:
  DescriptionReader(const Json& json, std::string file) : json_(json), file_(std::move(file)) {}

  std::int64_t integer(const char* name, std::int64_t least, std::int64_t most) const {
    const auto& value = get(name);
    if (value.is_number_integer()) {
      const auto number = value.get<std::int64_t>();
      if (number >= least && number <= most) return number;
    }
    fail(name, value, "a number from " + std::to_string(least) + " to " + std::to_string(most));
  }
  double real(const char* name) const {
    const auto& value = get(name);
    if (value.is_number() && std::isfinite(value.get<double>())) return value.get<double>();
    fail(name, value, "a number");
  }
  bool boolean(const char* name) const {
    const auto& value = get(name);
    if (value.is_boolean()) return value.get<bool>();
    fail(name, value, "true or false");
  }
  /// One of `words`, as its place among them.
  template <typename Words>
  std::size_t word(const char* name, const Words& words) const {
    const auto& value = get(name);
    const auto found = value.is_string()
                           ? std::find(words.begin(), words.end(), value.get<std::string>())
                           : words.end();
    if (found != words.end()) return static_cast<std::size_t>(found - words.begin());
    std::string list;
    for (const auto& one : words) list += (list.empty() ? "" : ", ") + std::string(one);
    fail(name, value, "one of " + list);
  }
  std::optional<MassQuartiles> masses() const {
    const auto& value = get("masses");
    if (value.is_null()) return std::nullopt;
    const auto is_mass = [](const Json& m) { return m.is_number() && m.get<double>() >= 0; };
    if (!value.is_array() || value.size() != 3 ||
        !std::all_of(value.begin(), value.end(), is_mass)) {
      fail("masses", value, "null or three numbers of at least 0");
    }
    return MassQuartiles{.lower = value[0].get<double>(),
                         .median = value[1].get<double>(),
                         .upper = value[2].get<double>()};
  }
  /// This and tests() are empty for a checkpoint from before there were any.
  std::vector<TrainingFile> trained_on() const {
    std::vector<TrainingFile> files;
    for (const auto& file : objects("trained_on", kMostFiles)) {
      const auto name = file.find("file"), jets = file.find("jets");
      if (name == file.end() || !name->is_string() || jets == file.end() ||
          !jets->is_number_integer()) {
        fail("trained_on", file, "a file and its jets");
      }
      files.push_back({name->get<std::string>(), jets->get<std::int64_t>()});
    }
    return files;
  }
  std::vector<TestVector> tests() const {
    std::vector<TestVector> tests;
    for (const auto& test : objects("tests", kMostTests)) {
      tests.push_back({.p4 = numbers<double>(test, "p4"),
                       .pdg_id = numbers<std::int32_t>(test, "pdg_id"),
                       .scalars = numbers<double>(test, "scalars"),
                       .probabilities = numbers<float>(test, "probabilities")});
    }
    return tests;
  }

 private:
  /// A list of objects; empty if there is none.
  Json objects(const char* name, std::size_t most) const {
    const auto found = json_.find(name);
    if (found == json_.end()) return Json::array();
    if (!found->is_array() || found->size() > most) fail(name, *found, "a list");
    for (const auto& value : *found) {
      if (!value.is_object()) fail(name, value, "objects");
    }
    return *found;
  }
  template <typename T>
  std::vector<T> numbers(const Json& test, const char* name) const {
    std::vector<T> values;
    const auto found = test.find(name);
    if (found == test.end()) return values;
    if (!found->is_array()) fail(name, *found, "numbers");
    for (const auto& value : *found) {
      if (!value.is_number()) fail(name, value, "a number");
      values.push_back(value.get<T>());
    }
    return values;
  }
  const Json& get(const char* name) const {
    const auto found = json_.find(name);
    if (found == json_.end())
      throw_file_error(file_, std::string(kDescriptionEntry) + " has no " + name);
    return *found;
  }
  [[noreturn]] void fail(const char* name, const Json& value, const std::string& expected) const {
    throw_file_error(file_, std::string(kDescriptionEntry) + ": " + name + " is " +
                                short_text(value) + ", expected " + expected);
  }

  const Json& json_;
  std::string file_;
};

}  // namespace

std::string to_text(const NetworkDescription& description) {
  const auto& [task, shape, rule, c_weight, beams, coordinates, masses, files, tests] = description;
  Json json{{"format", kFormat},
            {"program", std::string("lorentznet ") + LORENTZNET_VERSION},
            {"task", task},
            {"n_scalar", shape.scalars},
            {"n_class", shape.classes},
            {"n_hidden", shape.hidden},
            {"n_layers", shape.layers},
            {"pooling", kPoolingNames.at(static_cast<std::size_t>(rule.pooling))},
            {"n_nodes", rule.n_nodes},
            {"c_weight", c_weight},
            {"beams", beams},
            {"coordinates", coordinates},
            {"masses", nullptr}};
  if (masses) json["masses"] = {masses->lower, masses->median, masses->upper};
  json["trained_on"] = Json::array();
  for (const auto& [name, jets] : files) {
    json["trained_on"].push_back({{"file", name}, {"jets", jets}});
  }
  json["tests"] = Json::array();
  for (const auto& test : tests) json["tests"].push_back(to_json(test));
  // Names of files may hold any bytes.
  return json.dump(-1, ' ', /*ensure_ascii=*/true, Json::error_handler_t::replace);
}

std::optional<NetworkDescription> read_description(const std::filesystem::path& checkpoint) {
  const auto text = read_description_text(checkpoint);
  if (!text) return std::nullopt;
  return parse_description(*text, checkpoint.string());
}

NetworkDescription parse_description(const std::string& text, const std::string& file) {
  const auto json = parse_json(text, file + ": " + std::string(kDescriptionEntry));
  constexpr std::int64_t kMost = 1'000'000;
  constexpr std::array<std::string_view, 2> kTasks{"top", "qg"}, kCoordinates{"double", "float"};
  const DescriptionReader reader(json, file);
  reader.integer("format", 1, kFormat);
  return NetworkDescription{
      .task = std::string(kTasks.at(reader.word("task", kTasks))),
      .shape = {.scalars = reader.integer("n_scalar", 1, kMost),
                .hidden = reader.integer("n_hidden", 1, kMost),
                .classes = reader.integer("n_class", 1, kMost),
                .layers = reader.integer("n_layers", 1, kMost)},
      .rule = {.pooling = static_cast<Pooling>(reader.word("pooling", kPoolingNames)),
               .n_nodes = reader.integer("n_nodes", 0, kMost)},
      .c_weight = reader.real("c_weight"),
      .beams = reader.boolean("beams"),
      .coordinates = std::string(kCoordinates.at(reader.word("coordinates", kCoordinates))),
      .masses = reader.masses(),
      .trained_on = reader.trained_on(),
      .tests = reader.tests()};
}

ConstituentInput own_input(const NetworkDescription& description) {
  if (description.task == "qg") return ConstituentInput::kPdgIds;
  return own_scalars(description) > 0 ? ConstituentInput::kScalars : ConstituentInput::kNothing;
}

std::int64_t own_scalars(const NetworkDescription& description) {
  if (description.task == "qg") return 0;
  if (description.masses) return 0;
  return description.shape.scalars - (description.beams ? 1 : 0);  // the last one is the beams'
}

}  // namespace lorentznet
