#include "fake_nccl.h"

#include <array>
#include <mutex>
#include <stdexcept>
#include <utility>

#include "fake_device.h"
#include "parallel/backends.h"

namespace lorentznet {
namespace test {
namespace {

std::mutex nccl_mutex;
std::array<std::vector<std::string>, kFakeDevices> calls;
std::optional<std::int64_t> failing_sum;

class FakeNccl final : public c10d::Backend {
 public:
  FakeNccl(const Place& place, std::chrono::milliseconds timeout, const c10::Device& device)
      : Backend(static_cast<int>(place.rank), static_cast<int>(place.size)),
        device_(device),
        gloo_(make_gloo(place, timeout)) {
    const std::lock_guard lock(nccl_mutex);
    own_calls().clear();
  }

  const std::string getBackendName() const override { return "fake nccl"; }
  c10::intrusive_ptr<c10d::Work> allreduce(std::vector<at::Tensor>& tensors,
                                           const c10d::AllreduceOptions& options) override {
    auto views = note("sum", tensors);
    if (failing_sum && sums_++ == *failing_sum) throw std::runtime_error("the link is down");
    return gloo_->allreduce(views, options);
  }
  c10::intrusive_ptr<c10d::Work> broadcast(std::vector<at::Tensor>& tensors,
                                           const c10d::BroadcastOptions& options) override {
    auto views = note("broadcast", tensors);
    return gloo_->broadcast(views, options);
  }
  void shutdown() override { note("shutdown"); }
  void abort() override { note("abort"); }

 private:
  std::vector<std::string>& own_calls() {
    return calls.at(static_cast<std::size_t>(device_.index()));
  }
  void note(const std::string& what) {
    const std::lock_guard lock(nccl_mutex);
    own_calls().push_back(what);
  }
  /// \return the tensors, as Gloo takes them
  std::vector<at::Tensor> note(const std::string& what, const std::vector<at::Tensor>& tensors) {
    std::vector<at::Tensor> views;
    for (const auto& tensor : tensors) {
      TORCH_CHECK(tensor.device() == device_, what, " on ", device_, " of a tensor on ",
                  tensor.device());
      TORCH_CHECK(tensor.is_contiguous(), what, " of a tensor that is not contiguous");
      note(what + " " + std::to_string(tensor.numel()));
      views.push_back(cpu_view(tensor));
    }
    return views;
  }

  c10::Device device_;
  BackendPointer gloo_;
  std::int64_t sums_ = 0;
};

}  // namespace

std::vector<std::string> nccl_calls(std::int64_t index) {
  const std::lock_guard lock(nccl_mutex);
  return calls.at(static_cast<std::size_t>(index));
}

void fail_nccl_at(std::optional<std::int64_t> call) { failing_sum = call; }

}  // namespace test

std::string gpu_identity(const c10::Device& device) { return "host " + device.str(); }

BackendPointer make_nccl(const Place& place, std::chrono::milliseconds timeout,
                         const c10::Device& device) {
  return c10::make_intrusive<test::FakeNccl>(place, timeout, device);
}

}  // namespace lorentznet
