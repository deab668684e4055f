// Times the figures of a test and the writing of TensorBoard events. Needs no LibTorch.
//
//   lorentznet_records_bench [JETS]      default: 404,000, the public top-tagging test set
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "lorentznet/metrics.h"
#include "report/event_file.h"

namespace {

using namespace lorentznet;

struct Sample {
  std::vector<float> probability;  // [N, 2]
  std::vector<std::int8_t> label;  // [N]
};

Sample random_sample(std::size_t jets) {
  std::mt19937_64 random(1);
  std::normal_distribution<double> noise;
  Sample sample;
  for (std::size_t jet = 0; jet < jets; ++jet) {
    sample.label.push_back(static_cast<std::int8_t>(random() % 2));
    const double p = 1 / (1 + std::exp(-2 * noise(random) - 8 * (sample.label.back() - 0.5)));
    sample.probability.insert(sample.probability.end(),
                              {static_cast<float>(1 - p), static_cast<float>(p)});
  }
  return sample;
}

/// Prints the least and the median time of `rounds` calls.
void report(const std::string& what, int rounds, const std::function<void()>& call) {
  std::vector<double> seconds;
  for (int round = 0; round < rounds; ++round) {
    const auto start = std::chrono::steady_clock::now();
    call();
    const auto time = std::chrono::steady_clock::now() - start;
    seconds.push_back(std::chrono::duration<double>(time).count());
  }
  std::sort(seconds.begin(), seconds.end());
  std::printf("%-50s least %.6f s  median %.6f s\n", what.c_str(), seconds.front(),
              seconds[seconds.size() / 2]);
}

void run(std::size_t jets) {
  const auto sample = random_sample(jets);
  const auto score = column_of(sample.probability, 2, 1);
  report("accuracy, loss, AUC, 1/eB of " + std::to_string(jets) + " jets", 11,
         [&] { summarize(sample.probability, sample.label); });
  report("ROC curve", 11, [&] { roc_curve(score, sample.label); });
  const auto cores = static_cast<std::int64_t>(std::max(1U, std::thread::hardware_concurrency()));
  for (const auto threads : {std::int64_t{1}, cores}) {
    report("bootstrap of 200 replicas, threads " + std::to_string(threads), 3,
           [&] { bootstrap(sample.probability, sample.label, {.threads = threads}); });
  }
  const auto folder = std::filesystem::temp_directory_path() / "lorentznet-records-bench";
  std::filesystem::create_directories(folder);
  EventFile events(folder);
  report("a step's five events, flushed", 1001, [&] {
    events.add(1, {{"loss", 1}, {"accuracy", 1}, {"learning_rate", 1}, {"rate", 1}, {"norm", 1}});
  });
  std::filesystem::remove_all(folder);
}

}  // namespace

int main(int argc, char** argv) {
  const std::size_t jets = argc > 1 ? std::strtoull(argv[1], nullptr, 10) : 404000;
  if (jets < 10) {
    std::fprintf(stderr, "lorentznet_records_bench: JETS is at least 10\n");
    return 2;
  }
  try {
    run(jets);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "lorentznet_records_bench: %s\n", error.what());
    return 1;
  }
  return 0;
}
