#include "app/gpu_check.h"

#include <ATen/core/Tensor.h>
#include <ATen/ops/tensor.h>
#include <fmt/format.h>

#include <algorithm>

#include "app/program.h"
#include "lorentznet/error.h"
#include "model/gpu_comparison.h"
#include "parallel/collectives.h"

namespace lorentznet {
namespace {

/// What a comparison found, on all ranks the same.
struct Finding {
  bool agrees = false;
  std::string text = {};
};

/// The largest differences of all ranks.
std::vector<GpuDifference> largest_of_ranks(const Communicator& ranks,
                                            std::vector<GpuDifference> own) {
  std::vector<double> numbers;
  for (const auto& difference : own) numbers.push_back(difference.found);
  const auto all = gather_rows(ranks, at::tensor(numbers, at::kDouble)).amax(0);  // NaN stays
  for (std::size_t k = 0; k < own.size(); ++k) own[k].found = all.const_data_ptr<double>()[k];
  return own;
}

std::string joined(const std::vector<GpuDifference>& differences, bool agree) {
  std::string text;
  for (const auto& difference : differences) {
    if (difference.is_rounding() != agree) continue;
    text += fmt::format("{}{} {} {:.1g}{}", text.empty() ? "" : ", ", difference.of,
                        agree ? "to" : "by", difference.found, agree ? "" : " of their size");
  }
  return text;
}

Finding compare(LorentzNetImpl& network, GpuPrecision precision, bool trains,
                const Communicator& ranks) {
  const auto* const where = ranks.size() == 1 ? "this GPU" : "the GPUs of this run";
  std::vector<GpuDifference> differences;
  std::string failure;
  try {
    differences = compare_gpu_kernels(network, precision, trains);
  } catch (const std::exception& error) {
    failure = line_of(error);
  }
  if (any_rank(ranks, !failure.empty())) {
    return {.text = fmt::format("the CUDA kernels fail on {}: {}", where,
                                failure.empty() ? "on another rank's" : failure)};
  }
  differences = largest_of_ranks(ranks, differences);
  if (std::ranges::all_of(differences, &GpuDifference::is_rounding)) {
    return {.agrees = true,
            .text = fmt::format("agrees with plain on {}: {}", where, joined(differences, true))};
  }
  return {.text = fmt::format("the CUDA kernels differ from plain on {}: {}", where,
                              joined(differences, false))};
}

}  // namespace

ChosenKernel check_gpu_kernel(LorentzNetImpl& network, const ChosenKernel& chosen,
                              const Arguments& arguments, const Communicator& ranks,
                              const Log& log) {
  if (!chosen.gpu) return chosen;
  const auto [agrees, text] = compare(network, *chosen.gpu, !arguments.test_mode, ranks);
  if (agrees) return {.gpu = chosen.gpu, .agreement = text};
  if (arguments.kernel != KernelChoice::kAuto) {
    throw InputError(fmt::format("--kernel {}: {} (--kernel plain can be used)",
                                 *chosen.gpu == GpuPrecision::kHalf ? "half" : "fused", text));
  }
  log.info(fmt::format(
      "Warning: {}. This run uses the plain kernel, which is slower. Please report this, with the "
      "output of nvidia-smi",
      text));
  return {.why_plain = text};
}

}  // namespace lorentznet
