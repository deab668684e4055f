#include "parallel/collectives.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <torch/autograd.h>
#include <torch/csrc/autograd/functions/utils.h>
#include <torch/nn/module.h>
#include <torch/utils.h>

#include <utility>

namespace lorentznet {
namespace {

using Ranks = std::shared_ptr<const Communicator>;

class SingleProcess final : public Communicator {
 public:
  std::int64_t rank() const override { return 0; }
  std::int64_t size() const override { return 1; }
  void sum(const at::Tensor&) const override {}
  void broadcast(const at::Tensor&) const override {}
};

/// A tensor in the memory of `values`.
template <typename Number>
at::Tensor view_of(std::span<Number> values) {
  return at::from_blob(values.data(), {static_cast<std::int64_t>(values.size())},
                       at::TensorOptions(at::CppTypeToScalarType<Number>::value));
}

at::Tensor summed(const at::Tensor& tensor, const Communicator& ranks) {
  auto sum = tensor.detach().clone(at::MemoryFormat::Contiguous);
  ranks.sum(sum);
  return sum;
}

/// The gradient of a sum over ranks: the sum of the ranks' gradients.
class RankSumBackward final : public torch::autograd::Node {
 public:
  explicit RankSumBackward(Ranks ranks) : ranks_(std::move(ranks)) {}
  std::vector<at::Tensor> apply(std::vector<at::Tensor>&& gradients) override {
    return {summed(gradients[0], *ranks_)};
  }
  std::string name() const override { return "RankSumBackward"; }

 private:
  Ranks ranks_;
};

/// Applies `f`, which changes a tensor in place, to all of `tensors`, which are of one type, at
/// once: one message instead of one for each.
template <typename F>
void apply_flat(const std::vector<at::Tensor>& tensors, F f) {
  std::vector<at::Tensor> flat;
  for (const auto& tensor : tensors) flat.push_back(tensor.flatten());
  const auto all = at::cat(flat);
  f(all);
  std::int64_t place = 0;
  for (const auto& tensor : tensors) {
    tensor.copy_(all.narrow(0, place, tensor.numel()).view_as(tensor));
    place += tensor.numel();
  }
}

}  // namespace

std::shared_ptr<const Communicator> single_process() {
  static const auto alone = std::make_shared<const SingleProcess>();
  return alone;
}

void meet(const Communicator& ranks) { any_rank(ranks, false); }

bool any_rank(const Communicator& ranks, bool flag) {
  return sum_figures(ranks, {flag ? 1. : 0.})[0] > 0;
}

std::int64_t first_different(const Communicator& ranks, std::int64_t number) {
  if (ranks.size() == 1) return 0;
  const auto all = gather_rows(ranks, at::tensor({number}, at::kLong));
  const auto* const numbers = all.const_data_ptr<std::int64_t>();
  for (std::int64_t rank = 1; rank < ranks.size(); ++rank) {
    if (numbers[rank] != numbers[0]) return rank;
  }
  return 0;
}

std::string text_of_rank_0(const Communicator& ranks, std::string text) {
  const std::span letters(reinterpret_cast<std::int8_t*>(text.data()), text.size());
  ranks.broadcast(view_of(letters));
  return text;
}

void sum_values(const Communicator& ranks, std::span<double> values) {
  if (ranks.size() > 1) ranks.sum(view_of(values));
}

void sum_values(const Communicator& ranks, std::span<float> values) {
  if (ranks.size() > 1) ranks.sum(view_of(values));
}

std::vector<double> sum_figures(const Communicator& ranks, std::vector<double> figures) {
  sum_values(ranks, std::span(figures));
  return figures;
}

at::Tensor gather_rows(const Communicator& ranks, const at::Tensor& row) {
  const auto rows = at::zeros({ranks.size(), row.numel()}, row.options());
  rows[ranks.rank()].copy_(row);
  ranks.sum(rows);
  return rows;
}

at::Tensor sum_over_ranks(const Ranks& ranks, const at::Tensor& tensor) {
  if (ranks->size() == 1) return tensor;
  const auto sum = summed(tensor, *ranks);
  if (torch::autograd::compute_requires_grad(tensor)) {
    const auto node = std::make_shared<RankSumBackward>(ranks);
    node->set_next_edges(torch::autograd::collect_next_edges(tensor));
    torch::autograd::set_history(sum, node);
  }
  return sum;
}

void broadcast_module(const Communicator& ranks, const torch::nn::Module& module) {
  if (ranks.size() == 1) return;
  const torch::NoGradGuard no_grad;
  std::vector<at::Tensor> numbers, counters;
  for (const auto& tensors : {module.parameters(), module.buffers()}) {
    for (const auto& tensor : tensors) {
      (tensor.is_floating_point() ? numbers : counters).push_back(tensor);
    }
  }
  for (const auto& tensors : {numbers, counters}) {
    apply_flat(tensors, [&](const at::Tensor& all) { ranks.broadcast(all); });
  }
}

void average_gradients(const Communicator& ranks, const torch::nn::Module& module,
                       const std::vector<at::Tensor>& also) {
  if (ranks.size() == 1) return;
  const torch::NoGradGuard no_grad;
  auto gradients = also;
  for (const auto& parameter : module.parameters()) {
    // If no rank has an edge, batch norm's parameters have no gradient, on all of them.
    if (parameter.grad().defined()) gradients.push_back(parameter.grad());
  }
  apply_flat(gradients, [&](at::Tensor all) {
    ranks.sum(all);
    all.div_(static_cast<double>(ranks.size()));
  });
}

}  // namespace lorentznet
