#include "io/json.h"

#include "io/helpers.h"

using namespace lorentznet;
using namespace lorentznet::test;

TEST_CASE("a JSON error has its line and column") {
  const TemporaryFolder folder;
  const auto message = [&](const std::string& text) {
    const auto file = write_file(folder, "args.json", text);
    auto found = input_error([&] { read_json(file); });
    CHECK_THAT(found, Catch::StartsWith(file.string()));
    CHECK(found.find('\n') == std::string::npos);
    return found.substr(file.string().size());
  };
  CHECK_THAT(message("{\n  \"lr\": 1e-3,\n  \"n\": 1,,\n}"), Catch::StartsWith(":3:10: "));
  CHECK_THAT(message("{\"lr\" 1}"), Catch::StartsWith(":1:7: ") && Catch::Contains("expected ':'"));
  CHECK_THAT(message("{\n\"a\": [1, 2"), Catch::StartsWith(":2:11: "));
  CHECK_THAT(message(""), Catch::StartsWith(":1:1: "));
  CHECK_THAT(message("{\"a\": \"\xff\"}"), Catch::StartsWith(":1:8: "));
  CHECK_THAT(message("{\"a\": nan}"), Catch::StartsWith(":1:8: "));
  // The place is that in the file, also after numbers that JSON does not have.
  CHECK_THAT(message("{\"a\": [NaN, NaN, Infinity, -Infinity, ?]}"), Catch::StartsWith(":1:39: "));
  CHECK_THAT(message("{\"a\": NaN NaN}"), Catch::StartsWith(":1:13: "));
  CHECK(message("[1, 2]") == ": not a JSON object");
}

TEST_CASE("a number that no double can hold has its line and column") {
  CHECK(input_error([] { parse_json("{\"a\": NaN,\n \"b\": -1e999}", "file"); }) ==
        "file:2:7: the number '-1e999' is too large");
}

TEST_CASE("NaN and Infinity of Python's json module are no value") {
  const auto parsed = parse_json(
      R"({"a": NaN, "b": [1, Infinity, -Infinity, NaN], "c": "NaN \" Infinity, \\", "NaN": -1})",
      "file");
  CHECK(parsed == Json{{"a", nullptr},
                       {"b", {1, nullptr, nullptr, nullptr}},
                       {"c", "NaN \" Infinity, \\"},
                       {"NaN", -1}});
  for (const auto* const text : {R"({"a": NaNa})", R"({"a": -NaN})", R"({"a": 1Infinity})",
                                 R"({NaN: 1})", R"({"a": "NaN)", R"({"a": "\)"}) {
    CHECK_FALSE(input_error([&] { parse_json(text, "file"); }).empty());
  }
}
