#include "app/arguments.h"

#include <catch2/catch.hpp>

#include "io/helpers.h"
#include "io/json.h"

using namespace lorentznet;
using namespace lorentznet::test;

namespace {

Arguments parse(const std::vector<std::string>& words, const Task& task = top_tagging()) {
  return parse_command_line(task, words).arguments;
}

std::string parse_error(const std::vector<std::string>& words) {
  return input_error([&] { parse(words); });
}

/// The message of adopting `names` from the args.json `saved`, which is called "x/args.json".
std::string message_of_adopting(const Json& saved, const std::vector<std::string>& names,
                                const std::vector<std::string>& words) {
  auto arguments = parse(words);
  return input_error([&] { adopt_saved(arguments, saved, names, top_tagging(), "x/args.json"); });
}

}  // namespace

TEST_CASE("defaults are the published scripts'") {
  const auto top = parse({});
  CHECK(top.batch_size == 32);
  CHECK(top.num_train == -1);
  CHECK(top.epochs == 35);
  CHECK(top.warmup_epochs == 5);
  CHECK(top.c_weight == 5e-3);
  CHECK(top.seed == 99);
  CHECK(top.log_interval == 100);
  CHECK(top.val_interval == 1);
  CHECK(top.datadir == "./data/top");
  CHECK(top.logdir == "./logs/top");
  CHECK(top.dropout == 0.2);
  CHECK(top.lr == 1e-3);
  CHECK(top.n_hidden == 72);
  CHECK(top.n_layers == 6);
  CHECK(top.num_workers == 4);
  CHECK(top.weight_decay == 1e-2);
  const auto qg = parse({}, quark_gluon_tagging());
  CHECK(qg.c_weight == 1e-3);
  CHECK(qg.datadir == "./data/qg");
  CHECK(qg.logdir == "./logs/qg");
  CHECK(qg.kernel == KernelChoice::kAuto);
}

TEST_CASE("both spellings of flags, both forms, values that begin with a minus") {
  const auto a = parse({"--exp-name=x", "--n_hidden", "24", "--num-train", "-1", "--test-mode"});
  CHECK(a.exp_name == "x");
  CHECK(a.n_hidden == 24);
  CHECK(a.test_mode);
  CHECK(a.given == std::set<std::string>{"exp_name", "n_hidden", "num_train", "test_mode"});
  CHECK(parse({"--c_weight", "-1e-3"}).c_weight == -1e-3);
}

TEST_CASE("lists: files up to the next flag, betas by commas") {
  const auto a =
      parse({"--test_data", "a,b.h5", "c.h5", "--boost", "0,.5,-0.9", "--test_data", "d"});
  CHECK(a.test_data == std::vector<std::string>{"a,b.h5", "c.h5", "d"});
  CHECK(a.boost == std::vector<double>{0, .5, -0.9});
}

TEST_CASE("words of a choice are values of its enumeration") {
  const auto a = parse({"--boost", "0.5", "--boost_axis", "random", "--pooling", "batch",
                        "--coordinates", "float", "--on_bad_jet", "skip"});
  CHECK(a.boost_axis == Frame::Axis::kRandom);
  CHECK(a.pooling == Pooling::kBatch);
  CHECK(a.coordinates == Coordinates::kNetwork);
  CHECK(a.on_bad_jet == OnBadJet::kSkip);
  CHECK(!parse({}).pooling);
  CHECK(parse({"--generator=herwig"}, quark_gluon_tagging()).generator == Generator::kHerwig);
}

TEST_CASE("errors name the flag and its value") {
  using Catch::Contains;
  CHECK_THAT(parse_error({"--exp", "x"}), Contains("--exp_name"));
  CHECK_THAT(parse_error({"--n", "1"}), Contains("--n_hidden") && Contains("--n_layers"));
  CHECK_THAT(parse_error({"--nonsense"}), Contains("--nonsense"));
  CHECK_THAT(parse_error({"--num_data", "5"}), Contains("--num_data"));  // quark/gluon's
  CHECK_THAT(parse_error({"stray"}), Contains("stray"));
  CHECK_THAT(parse_error({"--epochs"}), Contains("--epochs needs a value"));
  CHECK_THAT(parse_error({"--epochs", "--seed", "1"}), Contains("--epochs needs a value"));
  CHECK_THAT(parse_error({"--epochs", "3.5"}), Contains("--epochs") && Contains("3.5"));
  CHECK_THAT(parse_error({"--epochs", "0"}), Contains("at least 1"));
  CHECK_THAT(parse_error({"--lr", "1e-3x"}), Contains("--lr") && Contains("1e-3x"));
  CHECK_THAT(parse_error({"--lr", "0"}), Contains("above 0"));
  CHECK_THAT(parse_error({"--lr", "nan"}), Contains("finite"));
  CHECK_THAT(parse_error({"--dropout", "1"}), Contains("--dropout"));
  CHECK_THAT(parse_error({"--boost", "0.5,1"}), Contains("light"));
  CHECK_THAT(parse_error({"--boost", "0.5,"}), Contains("--boost"));
  CHECK_THAT(parse_error({"--pooling", "mean"}), Contains("mean") && Contains("jet"));
  CHECK_THAT(parse_error({"--pooling", "jet", "--n_nodes", "100"}), Contains("--pooling jet"));
  CHECK_THAT(parse_error({"--boost", "0.5", "--boost_axis", "w"}), Contains("'w' is not one of x"));
  CHECK_THAT(parse_error({"--kernel", "fast"}),
             Contains("fast") && Contains("auto, plain, fused, half"));
  CHECK_THAT(parse_error({"--resume", "--overwrite", "--exp_name", "x"}), Contains("--overwrite"));
  CHECK_THAT(parse_error({"--test_mode"}), Contains("--exp_name"));
  CHECK_THAT(parse_error({"--exp_name", "../x"}), Contains("../x"));
  CHECK_THAT(parse_error({"--exp_name", "/x"}), Contains("/x"));
  CHECK_THAT(parse_error({"--test_mode=false"}), Contains("--test_mode"));
}

TEST_CASE("args.json begins with the published keys, and is read back to the same arguments") {
  const auto arguments = parse({"--n_hidden", "24", "--pooling", "jet", "--lr", "0.1"});
  const auto json = to_json(arguments, top_tagging());
  const std::vector<std::string> published{
      "exp_name",      "test_mode",   "batch_size",   "num_train",    "epochs",
      "warmup_epochs", "c_weight",    "seed",         "log_interval", "val_interval",
      "datadir",       "logdir",      "dropout",      "lr",           "n_hidden",
      "n_layers",      "num_workers", "weight_decay", "local_rank"};
  std::size_t k = 0;
  for (const auto& [key, value] : json.items()) {
    if (k < published.size()) CHECK(key == published[k++]);
  }
  CHECK(k == published.size());
  auto other = parse({});
  adopt_saved(other, json, {"n_hidden", "pooling", "lr"}, top_tagging(), "args.json");
  CHECK(other.n_hidden == 24);
  CHECK(other.pooling == Pooling::kJet);
  CHECK(other.lr == 0.1);
  CHECK(other.n_layers == 6);
}

TEST_CASE("args.json does not tell how a run is computed") {
  const auto json = to_json(parse({"--kernel", "half", "--device", "cpu"}), top_tagging());
  for (const auto* name : {"kernel", "device"}) CHECK(!json.contains(name));
}

TEST_CASE("a flag that contradicts args.json is an error with both values") {
  const Json json{{"n_hidden", 24}};
  CHECK(message_of_adopting(json, {"n_hidden"}, {"--n_hidden", "25"}) ==
        "--n_hidden 25 contradicts 24 in x/args.json");
  CHECK(message_of_adopting(json, {"n_hidden"}, {"--n_hidden", "24"}).empty());
  CHECK(message_of_adopting(json, {"n_layers"}, {"--n_hidden", "25"}).empty());
}

TEST_CASE("an invalid value in args.json is an error that names the file once") {
  CHECK(message_of_adopting({{"n_hidden", "wide"}}, {"n_hidden"}, {}) ==
        "x/args.json: --n_hidden: '\"wide\"' is not of the right type");
  CHECK(message_of_adopting({{"dropout", 1.5}}, {"dropout"}, {}) ==
        "x/args.json: --dropout: must be below 1");
}

TEST_CASE("help and version are texts, not runs") {
  const auto help = parse_command_line(top_tagging(), {"--help"}).text;
  for (const auto* part : {"Run options", "--n_hidden", "default: 72", "--boost", "./data/top"}) {
    CHECK_THAT(help, Catch::Contains(part));
  }
  CHECK_THAT(parse_command_line(quark_gluon_tagging(), {"--version"}).text,
             Catch::Contains("qg_tagging "));
}
