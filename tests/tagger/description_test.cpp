#include "tagger/description.h"

#include <catch2/catch.hpp>

#include "io/file.h"
#include "io/helpers.h"
#include "io/json.h"
#include "tagger/state_dict_format.h"

using namespace lorentznet;
using namespace lorentznet::test;
using Catch::Contains;

namespace {

NetworkDescription example() {
  return {.task = "top",
          .shape = {.scalars = 3, .hidden = 72, .classes = 4, .layers = 6},
          .rule = {.pooling = Pooling::kConstant, .n_nodes = 139},
          .c_weight = 0.1 + 0.2,
          .beams = true,
          .coordinates = "float",
          .masses = MassQuartiles{.lower = 0, .median = 2e-4, .upper = 1.0 / 3},
          .trained_on = {{"train.h5", 4000}},
          .tests = {{.p4 = {3, 1, 2, 2},
                     .pdg_id = {211},
                     .scalars = {0.1},
                     .probabilities = {0.1F, 0.2F, 0.3F, 0.4F}}}};
}

std::filesystem::path write(const TemporaryFolder& folder, const std::string& description) {
  write_state_dict(folder / "a.pt", {{"w", Array({1}, std::vector<float>{1})}}, description);
  return folder / "a.pt";
}

// The message of reading a description that `change` was made to.
template <typename Change>
std::string error_after(Change change) {
  const TemporaryFolder folder;
  auto json = Json::parse(to_text(example()));
  change(json);
  const auto path = write(folder, json.dump());
  return input_error_naming(path, [&] { read_description(path); });
}

}  // namespace

TEST_CASE("a description is read back as it was written") {
  const TemporaryFolder folder;
  const auto found = read_description(write(folder, to_text(example())));
  REQUIRE(found);
  CHECK(to_text(*found) == to_text(example()));
  CHECK(found->c_weight == 0.1 + 0.2);
  REQUIRE(found->masses);
  CHECK(found->masses->upper == 1.0 / 3);
  CHECK(found->rule.pooling == Pooling::kConstant);
  CHECK(read_state_dict(folder / "a.pt").size() == 1);

  auto without = example();
  without.masses = {};
  CHECK_FALSE(read_description(write(folder, to_text(without)))->masses);
}

TEST_CASE("a checkpoint without a description has none") {
  const TemporaryFolder folder;
  CHECK_FALSE(read_description(write(folder, "")));
  CHECK_THAT(input_error([&] { read_description(folder / "missing.pt"); }),
             Contains("missing.pt: "));
  const auto text = write_file(folder, "b.pt", "not an archive");
  CHECK_THAT(input_error_naming(text, [&] { read_description(text); }), Contains("zip"));
}

TEST_CASE("what a later version adds to a description is passed over") {
  CHECK(error_after([](Json& json) { json["vectors"] = {1, 2}; }).empty());
  CHECK_THAT(error_after([](Json& json) { json["format"] = 2; }),
             Contains("format is 2, expected a number from 1 to 1"));
}

TEST_CASE("a damaged description is refused") {
  const TemporaryFolder folder;
  const auto good = Json::parse(to_text(example()));
  for (const auto& [name, value] : good.items()) {
    if (name == "program") continue;
    INFO(name);
    const auto without = error_after([&, &key = name](Json& json) { json.erase(key); });
    const bool may_lack = name == "tests" || name == "trained_on";
    CHECK_THAT(without, Contains(may_lack ? "" : "has no " + name));
    for (const auto& bad : {Json(-1), Json("x\n"), Json::array({1, 2}), Json(1e300)}) {
      if (name == "c_weight" && bad.is_number()) continue;
      CHECK_THAT(error_after([&, &key = name](Json& json) { json[key] = bad; }),
                 Contains(name + " is "));
    }
  }
  CHECK_THAT(error_after([](Json& json) { json["masses"] = {1, 2, -3}; }), Contains("masses is"));
  CHECK_THAT(error_after([](Json& json) {
               json["masses"] = {1, 2, nullptr};
             }),
             Contains("masses is"));
  const std::string deep = std::string(200000, '[') + std::string(200000, ']');
  const auto nested = write(folder, "{\"format\": 1, \"task\": " + deep + "}");
  CHECK_THAT(input_error_naming(nested, [&] { read_description(nested); }),
             Contains("nested more than 100 deep"));
  CHECK_THAT(error_after([](Json& json) { json["task"] = Json::array({1}); }),
             Contains("task is an array, expected one of top, qg"));
  const std::string whole = to_text(example());
  for (std::size_t size = 1; size < whole.size(); ++size) {
    const auto path = write(folder, whole.substr(0, size));
    REQUIRE_FALSE(input_error_naming(path, [&] { read_description(path); }).empty());
  }
  const auto large = write(folder, std::string((1 << 20) + 1, ' '));
  CHECK_THAT(input_error_naming(large, [&] { read_description(large); }),
             Contains("at most 1048576"));
}
