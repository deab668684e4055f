#include "product_kernel.h"

// The example's kernels, for scripts/cuda_resources.py and its test.

namespace lorentznet::cuda {

template <class Format>
void launch_product() {
  using Kernel = Product<Format, 72>;
  prim::launch<Kernel>({}, 1, Kernel::shared_bytes(), typename Kernel::Params{});
}

void launch_products() {
  launch_product<prim::F16>();
  launch_product<prim::F16x3>();
}

}  // namespace lorentznet::cuda
