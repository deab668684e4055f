#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "bench/kernel_choice.h"
#include "lorentznet/task.h"

namespace lorentznet::bench {

/// What is to be measured.
struct Settings {
  std::vector<const Task*> tasks;
  std::vector<Mode> modes;
  std::vector<KernelChoice> kernels;  ///< every kernel with each of its ISAs and precisions
  std::vector<std::string> parts;     ///< of kParts
  std::vector<std::int64_t> threads, batch_sizes;
  double seconds = 2;  ///< of a row, over all rounds
  int rounds = 7;
  std::int64_t memory_batch = 512;
  std::int64_t latency_calls = 1000;
  std::filesystem::path datadir, checkpoint, json;

  bool has_part(const std::string& part) const;
};

/// \param help  becomes the text of --help if it is asked for, else stays empty
/// \throws InputError naming flag and value
Settings parse_flags(int argc, const char* const* argv, std::string& help);

}  // namespace lorentznet::bench
