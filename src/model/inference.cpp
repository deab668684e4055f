#include "model/inference.h"

#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/tensor.h>
#include <c10/core/DeviceGuard.h>

#include <algorithm>
#include <utility>

#include "kernels/groups.h"
#include "model/check_batch.h"

namespace lorentznet {
namespace {

/// The threads of a parallel region.
class TeamOfThreads final : public fused::Team {
 public:
  explicit TeamOfThreads(int nodes) : size_(std::min(at::get_num_threads(), nodes)) {}
  int size() const override { return size_; }
  void run(void (*work)(void*, int), void* context) const override {
    at::parallel_for(0, size_, 1, [&](std::int64_t begin, std::int64_t end) {
      for (auto part = begin; part < end; ++part) work(context, static_cast<int>(part));
    });
  }

 private:
  int size_;
};

/// Calls f(jet, its team) for every jet of a batch: several at a time, or, where there are fewer of
/// them than threads, one after the other.
template <typename F>
void for_each_jet(const Batch& batch, const F& f) {
  if (batch.num_jets() >= at::get_num_threads()) {
    return JetSchedule(batch.offsets).for_each_jet([&](std::int64_t jet) { f(jet, OneThread{}); });
  }
  for (std::int64_t jet = 0; jet < batch.num_jets(); ++jet) {
    f(jet, TeamOfThreads(static_cast<int>(batch.offsets[jet + 1] - batch.offsets[jet])));
  }
}

template <typename T>
at::Tensor logits_of(const Network<T>& network, const Batch& batch) {
  const auto type = c10::CppTypeToScalarType<T>::value;
  const auto p4 = batch.p4.to(at::kDouble).contiguous();
  const auto scalars = batch.scalars.to(type).contiguous();
  const auto n_nodes = batch.n_nodes.to(type).contiguous();
  const auto& shape = network.shape();
  const auto logits = at::empty({batch.num_jets(), shape.classes}, scalars.options());
  for_each_jet(batch, [&](std::int64_t jet, const fused::Team& team) {
    const auto begin = batch.offsets[jet];
    const fused::JetNodes<T> nodes{
        .n = static_cast<int>(batch.offsets[jet + 1] - begin),
        .x = p4.const_data_ptr<double>() + 4 * begin,
        .scalars = scalars.template const_data_ptr<T>() + shape.scalars * begin,
        .n_nodes = n_nodes.template const_data_ptr<T>()[jet]};
    network.logits(nodes, team, logits.template mutable_data_ptr<T>() + shape.classes * jet);
  });
  return logits;
}

}  // namespace

void TensorVersions::update_if_changed(const NamedTensors& tensors,
                                       const std::function<void()>& update) {
  std::vector<Version> versions;
  for (const auto& [name, tensor] : tensors) {
    if (tensor.is_inference()) {  // such a tensor does not count its changes
      versions.clear();
      break;
    }
    versions.push_back({tensor.const_data_ptr(), tensor._version()});
  }
  if (!versions.empty() && versions == versions_) return;
  update();
  versions_ = std::move(versions);
}

CpuInference::CpuInference(NamedTensors tensors, double c_weight, Isa isa)
    : tensors_(std::move(tensors)), c_weight_(c_weight), isa_(isa) {}

at::Tensor CpuInference::logits(const Batch& batch) {
  const auto& embedding = tensors_.front().second;
  TORCH_CHECK(embedding.is_cpu(), "the fused kernel computes on the CPU, the network is on ",
              embedding.device());
  check_batch(batch, embedding.size(1), embedding.device());
  return std::visit([&](const auto& network) { return logits_of(network, batch); }, *packed());
}

std::shared_ptr<const CpuInference::Packed> CpuInference::packed() {
  const std::lock_guard lock(mutex_);
  versions_.update_if_changed(tensors_, [this] {
    const auto make = [this]<typename T>(std::in_place_type_t<Network<T>> type) {
      return std::make_shared<const Packed>(type, arrays_of(tensors_), c_weight_, isa_,
                                            "the network");
    };
    const bool in_double = tensors_.front().second.scalar_type() == at::kDouble;
    packed_ = in_double ? make(std::in_place_type<Network<double>>)
                        : make(std::in_place_type<Network<float>>);
  });
  return packed_;
}

GpuInference::GpuInference(NamedTensors tensors, const LorentzNetOptions& options,
                           GpuPrecision precision)
    : tensors_(std::move(tensors)), options_(options), precision_(precision) {}

at::Tensor GpuInference::logits(const Batch& batch) {
  const auto& embedding = tensors_.front().second;
  TORCH_CHECK(!embedding.is_cpu(), "the CUDA kernels compute on a GPU, the network is on ",
              embedding.device());
  const c10::DeviceGuard guard(embedding.device());
  check_batch(batch, embedding.size(1), embedding.device());
  const std::lock_guard lock(mutex_);
  versions_.update_if_changed(tensors_, [this] {
    const Network<float> network(arrays_of(tensors_), options_.c_weight, Isa::kPortable,
                                 "the network");
    network_ = cuda::make_inference(network.packed(), precision_ == GpuPrecision::kHalf
                                                          ? cuda::Precision::kHalf
                                                          : cuda::Precision::kFloat);
  });
  const std::vector<int> host_offsets(batch.offsets.begin(), batch.offsets.end());
  const auto offsets = at::tensor(host_offsets, at::kInt).to(embedding.device());
  const auto p4 = batch.p4.to(at::kDouble).contiguous();
  const auto scalars = batch.scalars.to(at::kFloat).contiguous();
  const auto n_nodes = batch.n_nodes.to(at::kFloat).contiguous();
  const auto logits = at::empty({batch.num_jets(), options_.n_class}, scalars.options());
  network_->run({.host_offsets = host_offsets,
                 .offsets = offsets.const_data_ptr<int>(),
                 .momenta = p4.const_data_ptr<double>(),
                 .scalars = scalars.const_data_ptr<float>(),
                 .n_nodes = n_nodes.const_data_ptr<float>(),
                 .logits = logits.mutable_data_ptr<float>()});
  return logits;
}

}  // namespace lorentznet
