#include "lorentznet/communicator.h"

namespace lorentznet {
namespace {

class SingleProcess final : public Communicator {
 public:
  std::int64_t rank() const override { return 0; }
  std::int64_t size() const override { return 1; }
  void sum(const at::Tensor&) const override {}
  void broadcast(const at::Tensor&) const override {}
};

}  // namespace

std::shared_ptr<const Communicator> single_process() {
  static const auto alone = std::make_shared<const SingleProcess>();
  return alone;
}

}  // namespace lorentznet
