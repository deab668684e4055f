#include "kernels/segments.h"

#include <ATen/ops/index_select.h>
#include <ATen/ops/segment_reduce.h>
#include <torch/csrc/autograd/custom_function.h>

namespace lorentznet {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

at::Tensor add_rows(const at::Tensor& rows, const at::Tensor& offsets) {
  // "Unsafe" means that the offsets are not read to be checked, for which the host would wait.
  return at::segment_reduce(rows.contiguous(), "sum", {}, {}, offsets, /*axis=*/0, /*unsafe=*/true,
                            /*initial=*/0);
}

struct SumRows : torch::autograd::Function<SumRows> {
  static at::Tensor forward(AutogradContext* context, const at::Tensor& rows,
                            const at::Tensor& offsets, const at::Tensor& of_row) {
    context->save_for_backward({of_row});
    return add_rows(rows, offsets);
  }
  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    return {gradients[0].index_select(0, context->get_saved_variables()[0]), {}, {}};
  }
};

/// Without `order`, rows in order.
struct Spread : torch::autograd::Function<Spread> {
  static at::Tensor forward(AutogradContext* context, const at::Tensor& values,
                            const at::Tensor& owner, const at::Tensor& offsets,
                            const std::optional<at::Tensor>& order) {
    context->save_for_backward({offsets, order.value_or(at::Tensor())});
    return values.index_select(0, owner);
  }
  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const auto saved = context->get_saved_variables();
    const auto& order = saved[1];
    const auto in_order = order.defined() ? gradients[0].index_select(0, order) : gradients[0];
    return {add_rows(in_order, saved[0]), {}, {}, {}};
  }
};

}  // namespace

at::Tensor sum_rows(const at::Tensor& rows, const Segments& segments) {
  return SumRows::apply(rows, segments.offsets, segments.of_row);
}

at::Tensor spread_to_rows(const at::Tensor& values, const Segments& segments) {
  return Spread::apply(values, segments.of_row, segments.offsets, std::optional<at::Tensor>());
}

at::Tensor spread_in_order(const at::Tensor& values, const Segments& segments,
                           const at::Tensor& order, const at::Tensor& owner) {
  return Spread::apply(values, owner, segments.offsets, std::optional(order));
}

}  // namespace lorentznet
