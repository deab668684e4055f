#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "bench/workload.h"

namespace lorentznet::bench {

/// What to measure.
struct Settings {
  std::vector<const Task*> tasks;
  std::vector<Mode> modes;
  std::vector<Kernel> kernels;     ///< the fused one with each instruction set
  std::vector<std::string> parts;  ///< "rates", "latency", "memory", "end_to_end"
  std::vector<std::int64_t> threads, batch_sizes;
  std::vector<std::int64_t> nodes;           ///< of the jets that are scored one at a time
  std::int64_t n_hidden = 72, n_layers = 6;  ///< of a network with random weights
  double seconds = 2;                        ///< per row, over all rounds
  int rounds = 7;
  std::int64_t memory_batch = 512;
  std::int64_t latency_calls = 1000;
  std::filesystem::path datadir, checkpoint, json;

  bool has_part(const std::string& part) const;
};

/// \param help  set to the text of --help if that is given
/// \throws InputError naming flag and value
Settings parse_flags(int argc, const char* const* argv, std::string& help);

}  // namespace lorentznet::bench
