#include "bench/flag_list.h"

#include <cstdint>
#include <string>
#include <thread>
#include <vector>

namespace lorentznet::bench {
namespace {

template <typename Value>
std::shared_ptr<cxxopts::Value> with_default(const std::string& value) {
  return cxxopts::value<Value>()->default_value(value);
}

/// Lists, separated by commas: all combinations are measured.
void add_lists(cxxopts::Options& options) {
  using Words = std::vector<std::string>;
  using Numbers = std::vector<std::int64_t>;
  const std::string threads = std::thread::hardware_concurrency() > 1 ? "1,2" : "1";
  auto add = options.add_options("What to measure, lists");
  add("task", "top, qg", with_default<Words>("top,qg"));
  add("mode", "inference, training", with_default<Words>("inference,training"));
  add("kernel", "plain, fused", with_default<Words>("plain,fused"));
  add("isa", "of the fused kernel: portable, avx2, avx512 (default: this machine's best)",
      cxxopts::value<Words>());
  add("precision", "of the fused kernel in inference: fp32, bf16",
      with_default<Words>("fp32,bf16"));
  add("threads", "numbers of threads", with_default<Numbers>(threads));
  add("batch_size", "jets a batch", with_default<Numbers>("32"));
  add("part", "rates, latency, memory, end_to_end",
      with_default<Words>("rates,latency,memory,end_to_end"));
}

void add_others(cxxopts::Options& options) {
  auto add = options.add_options("Other");
  add("memory_batch", "jets a batch where a training step's memory is measured",
      with_default<std::int64_t>("512"));
  add("seconds", "time of each row, about", with_default<double>("2"));
  add("quick", "little and tiny batches, to see that it works");
  add("datadir", "folder with top/ and qg/", with_default<std::string>("data"));
  add("checkpoint", "weights (default: random ones of the full-size network); needs one --task",
      with_default<std::string>(""));
  add("json", "file to write", with_default<std::string>("bench.json"));
  add("help", "print this and exit");
}

}  // namespace

cxxopts::Options describe_flags() {
  cxxopts::Options options("lorentznet_bench", "Measures LorentzNet; see bench/README.md\n");
  options.set_width(100);
  add_lists(options);
  add_others(options);
  return options;
}

}  // namespace lorentznet::bench
