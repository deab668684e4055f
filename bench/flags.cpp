#include "bench/flags.h"

#include <algorithm>
#include <cxxopts.hpp>
#include <thread>
#include <utility>

#include "lorentznet/error.h"

namespace lorentznet::bench {
namespace {

using Words = std::vector<std::string>;
using Numbers = std::vector<std::int64_t>;

template <typename Value>
std::shared_ptr<cxxopts::Value> with_default(const std::string& value) {
  return cxxopts::value<Value>()->default_value(value);
}

/// Comma-separated lists: all combinations are measured.
void add_lists(cxxopts::Options& options) {
  const std::string threads = std::thread::hardware_concurrency() > 1 ? "1,2" : "1";
  auto add = options.add_options("What to measure, lists");
  add("task", "top, qg", with_default<Words>("top,qg"));
  add("mode", "inference, training", with_default<Words>("inference,training"));
  add("kernel", "plain, fused", with_default<Words>("plain,fused"));
  add("isa", "of the fused kernel: portable, avx2, avx512 (default: this machine's best)",
      cxxopts::value<Words>());
  add("threads", "numbers of threads", with_default<Numbers>(threads));
  add("batch_size", "jets per batch", with_default<Numbers>("32"));
  add("nodes", "of the jets that are scored one at a time", with_default<Numbers>("10,30,50,100"));
  add("part", "rates, latency, memory, end_to_end",
      with_default<Words>("rates,latency,memory,end_to_end"));
}

void add_others(cxxopts::Options& options) {
  auto add = options.add_options("Other");
  add("memory_batch", "jets per batch when the memory of a training step is measured",
      with_default<std::int64_t>("512"));
  add("seconds", "approximate time of each row", with_default<double>("2"));
  add("quick", "short runs of tiny batches, as a test");
  add("datadir", "folder with top/ and qg/", with_default<std::string>("data"));
  add("checkpoint", "weights (default: random); needs one --task", with_default<std::string>(""));
  add("n_hidden", "width of a network with random weights", with_default<std::int64_t>("72"));
  add("n_layers", "layers of a network with random weights", with_default<std::int64_t>("6"));
  add("json", "file to write", with_default<std::string>("bench.json"));
  add("help", "print this and exit");
}

cxxopts::Options describe_flags() {
  cxxopts::Options options("lorentznet_bench", "Measures LorentzNet; see bench/README.md\n");
  options.set_width(100);
  add_lists(options);
  add_others(options);
  return options;
}

template <typename Value>
using Choices = std::vector<std::pair<std::string, Value>>;

template <typename Value>
std::vector<Value> chosen(const std::string& flag, const Words& words,
                          const Choices<Value>& choices) {
  std::vector<Value> values;
  for (const auto& word : words) {
    const auto same = [&](const auto& choice) { return choice.first == word; };
    const auto found = std::find_if(choices.begin(), choices.end(), same);
    if (found == choices.end()) {
      std::string names;
      for (const auto& choice : choices) names += (names.empty() ? "" : ", ") + choice.first;
      throw InputError("--" + flag + ": '" + word + "' is none of " + names);
    }
    values.push_back(found->second);
  }
  return values;
}

/// The kernels that the flags ask for.
std::vector<Kernel> kernels_of(const cxxopts::ParseResult& flags) {
  const Choices<Isa> all_isas{{std::string(name(Isa::kPortable)), Isa::kPortable},
                              {std::string(name(Isa::kAvx2)), Isa::kAvx2},
                              {std::string(name(Isa::kAvx512)), Isa::kAvx512}};
  const auto best = choose_isa();
  const auto isas = flags.count("isa") > 0 ? chosen("isa", flags["isa"].as<Words>(), all_isas)
                                           : std::vector<Isa>{best};
  std::vector<Kernel> kernels;
  const Choices<bool> fused_or_not{{"plain", false}, {"fused", true}};
  for (const bool fused : chosen("kernel", flags["kernel"].as<Words>(), fused_or_not)) {
    if (!fused) {
      kernels.push_back({.fused = false, .isa = best});
      continue;
    }
    for (const auto isa : isas) kernels.push_back({true, isa});
  }
  return kernels;
}

void make_quick(Settings& settings, const cxxopts::ParseResult& flags) {
  settings.rounds = 3;
  settings.memory_batch = 8;
  settings.latency_calls = 10;
  settings.nodes = {50};
  if (flags.count("seconds") == 0) settings.seconds = 0.06;
  if (flags.count("batch_size") == 0) settings.batch_sizes = {4};
}

void check(const Settings& settings) {
  const auto at_least_one = [](const std::string& flag, const std::vector<std::int64_t>& values) {
    if (values.empty() || std::any_of(values.begin(), values.end(), [](auto n) { return n < 1; })) {
      throw InputError("--" + flag + ": must be 1 or more");
    }
  };
  at_least_one("threads", settings.threads);
  at_least_one("batch_size", settings.batch_sizes);
  at_least_one("memory_batch", {settings.memory_batch});
  at_least_one("nodes", settings.nodes);
  at_least_one("n_hidden", {settings.n_hidden});
  at_least_one("n_layers", {settings.n_layers});
  if (!(settings.seconds > 0 && settings.seconds <= 3600)) {
    throw InputError("--seconds: must be above 0 and at most 3600");
  }
  if (!settings.checkpoint.empty() && settings.tasks.size() != 1) {
    throw InputError("--checkpoint belongs to one task: choose it with --task");
  }
}

Settings read_flags(const cxxopts::ParseResult& flags) {
  if (!flags.unmatched().empty()) {
    throw InputError("'" + flags.unmatched().front() + "' is not a flag (see --help)");
  }
  const Choices<const Task*> all_tasks{{"top", &top_tagging()}, {"qg", &quark_gluon_tagging()}};
  const Choices<Mode> all_modes{{"inference", Mode::kInference}, {"training", Mode::kTraining}};
  Choices<std::string> all_parts;
  for (const std::string part : {"rates", "latency", "memory", "end_to_end"}) {
    all_parts.emplace_back(part, part);
  }
  Settings settings{.tasks = chosen("task", flags["task"].as<Words>(), all_tasks),
                    .modes = chosen("mode", flags["mode"].as<Words>(), all_modes),
                    .kernels = kernels_of(flags),
                    .parts = chosen("part", flags["part"].as<Words>(), all_parts),
                    .threads = flags["threads"].as<std::vector<std::int64_t>>(),
                    .batch_sizes = flags["batch_size"].as<std::vector<std::int64_t>>(),
                    .nodes = flags["nodes"].as<std::vector<std::int64_t>>(),
                    .n_hidden = flags["n_hidden"].as<std::int64_t>(),
                    .n_layers = flags["n_layers"].as<std::int64_t>(),
                    .seconds = flags["seconds"].as<double>(),
                    .memory_batch = flags["memory_batch"].as<std::int64_t>(),
                    .datadir = flags["datadir"].as<std::string>(),
                    .checkpoint = flags["checkpoint"].as<std::string>(),
                    .json = flags["json"].as<std::string>()};
  if (flags.count("quick") > 0) make_quick(settings, flags);
  check(settings);
  return settings;
}

}  // namespace

bool Settings::has_part(const std::string& part) const {
  return std::find(parts.begin(), parts.end(), part) != parts.end();
}

Settings parse_flags(int argc, const char* const* argv, std::string& help) {
  auto options = describe_flags();
  try {
    const auto flags = options.parse(argc, argv);
    if (flags.count("help") > 0) {
      help = options.help();
      return {};
    }
    return read_flags(flags);
  } catch (const cxxopts::exceptions::exception& error) {
    throw InputError(error.what());
  }
}

}  // namespace lorentznet::bench
