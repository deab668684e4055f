#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <limits>
#include <numeric>
#include <random>

#include "arrays.h"
#include "io/file.h"
#include "io/helpers.h"
#include "lorentznet/checkpoint.h"
#include "support.h"
#include "tagger/state_dict_format.h"

using namespace lorentznet;
using namespace lorentznet::test;

namespace {

template <typename T>
Array random_array(std::vector<std::int64_t> shape, unsigned seed = 1) {
  const auto count =
      std::accumulate(shape.begin(), shape.end(), std::int64_t{1}, std::multiplies<>());
  std::mt19937 engine(seed);
  std::normal_distribution<double> normal;
  std::vector<T> values(static_cast<std::size_t>(count));
  for (T& value : values) value = static_cast<T>(normal(engine));
  return {std::move(shape), std::move(values)};
}

StateDict sample() {
  StateDict state;
  state.emplace_back("embedding.weight", random_array<float>({5, 3}));
  state.emplace_back("embedding.bias", random_array<double>({5}));
  state.emplace_back("bn.num_batches_tracked", Array({}, std::vector<std::int64_t>{70000000000}));
  state.emplace_back("scale", Array({}, std::vector<float>{0.25}));
  state.emplace_back("nothing", random_array<float>({0, 7}));
  state.emplace_back("parameter", random_array<float>({300, 2}));
  return state;
}

void check_equal(const StateDict& found, const StateDict& expected) {
  REQUIRE(found.size() == expected.size());
  for (std::size_t i = 0; i < found.size(); ++i) {
    INFO(expected[i].first);
    CHECK(found[i].first == expected[i].first);
    CHECK(same_bits(found[i].second, expected[i].second));
  }
}

std::int64_t count_parameters(const StateDict& state) {
  std::int64_t count = 0;
  for (const auto& [name, array] : state) {
    const bool statistic = name.find(".running_") != std::string::npos ||
                           name.find(".num_batches_tracked") != std::string::npos;
    if (!statistic) count += array.element_count();
  }
  return count;
}

const Array& find(const StateDict& state, const std::string& name) {
  for (const auto& entry : state) {
    if (entry.first == name) return entry.second;
  }
  throw std::out_of_range(name);
}

using Shape = std::vector<std::int64_t>;

}  // namespace

TEST_CASE("an array is as large as its shape says, and of one type") {
  const Array array({2, 3}, std::vector<float>{0, 1, 2, 3, 4, 5});
  const Array copy = array;
  CHECK(copy.as<float>()[5] == 5);
  CHECK(copy.data() == array.data());
  CHECK(array.bytes().size() == 24);
  CHECK_THROWS_AS(array.as<double>(), std::invalid_argument);
  CHECK_THROWS_AS(array.as<std::int64_t>(), std::invalid_argument);
  CHECK_THROWS_AS(Array({2}, std::vector<float>{1}), std::invalid_argument);
  CHECK_THROWS_AS(Array({-1}, std::vector<float>{}), std::invalid_argument);
  CHECK_THROWS_AS(Array({1L << 32, 1L << 31}, std::vector<float>{}), std::invalid_argument);
  CHECK_THROWS_AS(Array({0, 1L << 32, 1L << 31}, std::vector<float>{}), std::invalid_argument);
}

TEST_CASE("a state dict is read back as it was written") {
  const TemporaryFolder folder;
  const StateDict state = sample();
  write_state_dict(folder / "a.pt", state);
  check_equal(read_state_dict(folder / "a.pt"), state);

  write_state_dict(folder / "none.pt", {});
  CHECK(read_state_dict(folder / "none.pt").empty());
}

TEST_CASE("whatever is written can be read: more than 256 MiB") {
  const TemporaryFolder folder;
  constexpr std::int64_t rows = 129, columns = 1 << 19;  // of 2 MiB
  StateDict state{{"w", Array({rows, columns}, std::vector<float>(rows * columns, 1.5F))}};
  write_state_dict(folder / "a.pt", state);
  state.front().second = Array({}, std::vector<float>{0});  // memory for one copy is enough
  const StateDict found = read_state_dict(folder / "a.pt");
  REQUIRE(found.front().second.shape() == Shape{rows, columns});
  const auto values = found.front().second.as<float>();
  CHECK(std::all_of(values.begin(), values.end(), [](float value) { return value == 1.5F; }));
}

TEST_CASE("whatever is written can be read: thousands of arrays") {
  const TemporaryFolder folder;
  StateDict state;  // as the training state of a network of 200 layers
  for (int i = 0; i < 12000; ++i) {
    const auto layer = std::to_string(i);
    state.emplace_back("exp_avg_sq.LGEBs." + layer + ".phi_e.0.weight", random_array<float>({2}));
  }
  write_state_dict(folder / "a.pt", state);
  check_equal(read_state_dict(folder / "a.pt"), state);
}

TEST_CASE("whatever is written can be read: else it is not written") {
  const TemporaryFolder folder;
  const auto path = folder / "a.pt";
  const auto array = [](std::size_t axes) { return Array(Shape(axes, 1), std::vector<double>{7}); };
  write_state_dict(path, {{"w", array(16)}});
  check_equal(read_state_dict(path), {{"w", array(16)}});
  CHECK_THROWS_AS(write_state_dict(path, {{"w", array(17)}}), std::invalid_argument);
  const std::string name(1 << 20, 'n');
  StateDict state;
  for (int i = 0; i < 7; ++i) state.emplace_back(std::to_string(i) + name, array(1));
  write_state_dict(path, state);
  check_equal(read_state_dict(path), state);
  state.emplace_back("7" + name, array(1));
  CHECK_THROWS_AS(write_state_dict(path, state), std::invalid_argument);
}

TEST_CASE("equal content gives equal bytes, other content others") {
  const TemporaryFolder folder;
  const auto bytes_of = [&](const StateDict& state) {
    write_state_dict(folder / "a.pt", state);
    return read_file(folder / "a.pt", 1 << 20);
  };
  StateDict state = sample();
  const std::string bytes = bytes_of(state);
  CHECK(bytes_of(sample()) == bytes);
  {
    const EnvironmentVariable zone("TZ", "America/Los_Angeles");
    CHECK(bytes_of(sample()) == bytes);
  }
  state.front().second = random_array<float>({5, 3}, 2);
  CHECK(bytes_of(state) != bytes);
}

TEST_CASE("numbers of 16 bits become float exactly") {
  const auto half = [](int bits) { return from_half(static_cast<std::uint16_t>(bits)); };
  CHECK(half(0x3c00) == 1);
  CHECK(half(0xc000) == -2);
  CHECK(half(0x3555) == 0x1.554p-2F);
  CHECK(half(0x7bff) == 65504);
  CHECK(half(0x0001) == 0x1p-24F);
  CHECK(half(0x03ff) == 0x3ffp-24F);
  CHECK(half(0x0400) == 0x1p-14F);
  CHECK(half(0x8000) == 0);
  CHECK(std::signbit(half(0x8000)));
  CHECK(half(0xfc00) == -std::numeric_limits<float>::infinity());
  CHECK(std::isnan(half(0x7c01)));
  // All finite ones: the next larger number differs by the last bit's value.
  for (int bits = 0; bits < 0x7bff; ++bits) {
    CHECK(half(bits + 1) - half(bits) == std::ldexp(1.F, std::max(bits >> 10, 1) - 25));
    CHECK(half(bits | 0x8000) == -half(bits));
  }
  CHECK(from_bfloat16(0x3f80) == 1);
  CHECK(from_bfloat16(0xc049) == -0x1.92p1F);
  CHECK(from_bfloat16(0x0001) == 0x1p-133F);
  CHECK(std::isnan(from_bfloat16(0x7fc0)));
}

TEST_CASE("arrays begin at multiples of 64 bytes in the file, as torch.save has them") {
  const TemporaryFolder folder;
  write_state_dict(folder / "a.pt", sample());
  const std::string bytes = read_file(folder / "a.pt", 1 << 20);
  const auto number = [&](std::size_t at, int size) {
    std::size_t value = 0;
    for (int i = size; i-- > 0;) value = 256 * value + static_cast<unsigned char>(bytes.at(at + i));
    return value;
  };
  std::size_t entries = 0, at = 0;
  for (; bytes.substr(at, 4) == "PK\x03\x04"; ++entries) {
    const auto contents = at + 30 + number(at + 26, 2) + number(at + 28, 2);
    CHECK(contents % 64 == 0);
    at = contents + number(at + 18, 4);
  }
  CHECK(entries == sample().size() + 3);
}

TEST_CASE("what can't be a checkpoint isn't written, and the old one stays") {
  const TemporaryFolder folder;
  const auto path = write_file(folder, "a.pt", "old");
  const auto refuse = [&](const std::string& name) {
    StateDict state = sample();
    state.emplace_back(name, random_array<float>({2}));
    CHECK_THROWS_AS(write_state_dict(path, state), std::invalid_argument);
  };
  refuse("scale");
  refuse("module.scale");
  CHECK(read_file(path, 100) == "old");
  CHECK_THROWS_AS(write_state_dict(folder.path() / "missing" / "a.pt", sample()),
                  std::system_error);
}

TEST_CASE("the published checkpoints are read") {
  const auto reference = reference_dir();
  if (!reference) return skip("no reference folder");
  struct Published {
    const char* task;
    std::int64_t parameters;
    std::int64_t scalars;
  };
  for (const auto& [task, parameters, scalars] :
       {Published{"top", 224072, 2}, Published{"qg", 227096, 8}}) {
    const StateDict state = read_state_dict(*reference / task / "best-val-model.pt");
    CHECK(state.size() == 135);
    CHECK(state.front().first == "embedding.weight");
    CHECK(state.back().first == "graph_dec.3.bias");
    CHECK(count_parameters(state) == parameters);
    CHECK(find(state, "embedding.weight").shape() == Shape{72, scalars});
    CHECK(find(state, "LGEBs.0.phi_e.0.weight").shape() == Shape{72, 146});
    CHECK(find(state, "LGEBs.5.phi_h.0.weight").shape() == Shape{72, 144 + scalars});
    const Array& steps = find(state, "LGEBs.0.phi_e.1.num_batches_tracked");
    CHECK(steps.type() == ElementType::kInt64);
    CHECK(steps.shape().empty());
    CHECK(steps.as<std::int64_t>()[0] > 10000);
    const auto variances = find(state, "LGEBs.3.phi_e.1.running_var").as<float>();
    CHECK(*std::min_element(variances.begin(), variances.end()) >= 0);

    const TemporaryFolder folder;
    write_state_dict(folder / "again.pt", state);
    check_equal(read_state_dict(folder / "again.pt"), state);
  }
}

TEST_CASE("a plain dict of doubles, as Python saves it, is read") {
  const auto reference = reference_dir();
  if (!reference) return skip("no reference folder");
  for (const char* name : {"qg_train_init.pt", "top_train_init.pt", "qg_trajectory_init.pt"}) {
    const StateDict state = read_state_dict(*reference / "golden" / name);
    CHECK(state.front().first == "embedding.weight");
    CHECK(state.front().second.type() == ElementType::kDouble);
    CHECK(state.back().second.element_count() == 2);
  }
}
