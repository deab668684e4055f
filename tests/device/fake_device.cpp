#include "fake_device.h"

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>
#include <ATen/EmptyTensor.h>
#include <ATen/core/LegacyTypeDispatch.h>
#include <ATen/detail/PrivateUse1HooksInterface.h>
#include <c10/core/CPUAllocator.h>
#include <c10/core/CachingDeviceAllocator.h>
#include <c10/core/DeviceType.h>
#include <c10/core/impl/DeviceGuardImplInterface.h>
#include <torch/library.h>

#include <array>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <vector>

#include "fake_stream.h"

namespace lorentznet::test {
namespace {

constexpr auto kFake = at::DeviceType::PrivateUse1;
const c10::DispatchKeySet kFakeKeys(c10::DispatchKey::PrivateUse1);

// ---- counting

std::mutex counts_mutex;
DeviceCounts counts;

void count(std::int64_t DeviceCounts::*what) {
  const std::lock_guard lock(counts_mutex);
  ++(counts.*what);
}

void count_launch(const std::string& name) {
  const std::lock_guard lock(counts_mutex);
  ++counts.launches;
  ++counts.launches_by_name[name];
}

// ---- generators and hooks

const auto allocator_registered = [] {
  c10::SetAllocator(kFake, &fake_allocator());
  return true;
}();

class FakeGenerator final : public c10::GeneratorImpl {
 public:
  FakeGenerator(const at::Device& device, at::Generator numbers)
      : GeneratorImpl(device, kFakeKeys), numbers_(std::move(numbers)) {}

  void set_current_seed(std::uint64_t seed) override { numbers_.set_current_seed(seed); }
  void set_offset(std::uint64_t offset) override { numbers_.set_offset(offset); }
  std::uint64_t get_offset() const override { return numbers_.get_offset(); }
  std::uint64_t current_seed() const override { return numbers_.current_seed(); }
  std::uint64_t seed() override { return numbers_.seed(); }
  void set_state(const c10::TensorImpl& state) override {
    numbers_.unsafeGetGeneratorImpl()->set_state(state);
  }
  c10::intrusive_ptr<c10::TensorImpl> get_state() const override {
    return numbers_.unsafeGetGeneratorImpl()->get_state();
  }
  const at::Generator& numbers() const { return numbers_; }

 private:
  FakeGenerator* clone_impl() const override {
    return new FakeGenerator(device(), numbers_.clone());
  }
  at::Generator numbers_;
};

at::Generator make_generator(c10::DeviceIndex index) {
  return at::make_generator<FakeGenerator>(at::Device(kFake, index),
                                           at::detail::createCPUGenerator(index + 1));
}

const at::Generator& fake_generator(c10::DeviceIndex index) {
  static const std::array<at::Generator, kFakeDevices> generators = {
      make_generator(0), make_generator(1), make_generator(2), make_generator(3)};
  return generators.at(static_cast<std::size_t>(index < 0 ? current_device().index() : index));
}

struct FakeHooks final : at::PrivateUse1HooksInterface {
  bool isBuilt() const override { return true; }
  bool isAvailable() const override { return true; }
  bool hasPrimaryContext(c10::DeviceIndex) const override { return true; }
  c10::DeviceIndex deviceCount() const override { return kFakeDevices; }
  c10::DeviceIndex getCurrentDevice() const override { return current_device().index(); }
  const at::Generator& getDefaultGenerator(c10::DeviceIndex index) const override {
    return fake_generator(index);
  }
  at::Generator getNewGenerator(c10::DeviceIndex index) const override {
    return make_generator(index < 0 ? 0 : index);
  }
  bool isPinnedPtr(const void* data) const override { return is_pinned(data); }
  at::Allocator* getPinnedMemoryAllocator() const override { return pinned_allocator(); }
};
const auto hooks_registered = [] {
  at::RegisterPrivateUse1HooksInterface(new FakeHooks);
  c10::register_privateuse1_backend("fake");
  return true;
}();

// ---- operators

/// A tensor in the memory of `like`, with its shape, on another device.
at::Tensor view_on(const at::Tensor& like, c10::Storage storage, c10::DispatchKeySet keys) {
  auto view = at::detail::make_tensor<at::TensorImpl>(std::move(storage), keys, like.dtype());
  auto* const impl = view.unsafeGetTensorImpl();
  impl->set_sizes_and_strides(like.sizes(), like.strides(), like.storage_offset());
  if (like.unsafeGetTensorImpl()->is_wrapped_number()) impl->set_wrapped_number(true);
  return view;
}

/// The result of a CPU kernel as a tensor on `device`, in the same memory.
at::Tensor adopt(const at::Tensor& result, const at::Device& device) {
  if (!result.defined()) return result;
  const auto& storage = result.storage();
  auto* const owner = new c10::Storage(storage);
  c10::DataPtr data(
      storage.mutable_data(), owner,
      [](void* context) { delete static_cast<c10::Storage*>(context); }, device);
  return view_on(result,
                 c10::Storage(c10::Storage::use_byte_size_t(), storage.nbytes(), std::move(data),
                              &fake_allocator(), /*resizable=*/false),
                 kFakeKeys);
}

/// Calls f(tensor) for all tensors in a value.
template <typename F>
void for_each_tensor(const c10::IValue& value, const F& f) {
  if (value.isTensor()) {
    if (value.toTensor().defined()) f(value.toTensor());
  } else if (value.isList()) {
    for (const auto& element : value.toListRef()) for_each_tensor(element, f);
  }
}

/// A call of an operator, of which the arguments are on top of `stack`.
class Call {
 public:
  Call(const c10::OperatorHandle& op, torch::jit::Stack& stack)
      : op_(op), stack_(stack), first_(stack.size() - op.schema().arguments().size()) {}

  void run() {
    const c10::OptionalDeviceGuard guard(find_device());
    count_kind();
    std::vector<c10::IValue> originals(stack_.begin() + first_, stack_.end());
    for (std::size_t k = first_; k < stack_.size(); ++k) stack_[k] = on_cpu(k);
    {
      const at::AutoDispatchBelowADInplaceOrView below_autograd;
      op_.callBoxed(stack_);
    }
    for (const auto& [view, argument] : arguments_) follow_shape(view, argument);
    const auto results = stack_.size() - op_.schema().returns().size();
    for (std::size_t k = results; k < stack_.size(); ++k) {
      stack_[k] = on_device(stack_[k], op_.schema().returns()[k - results]);
    }
  }

 private:
  /// The one device of the arguments. \throws c10::Error if there are two
  at::Device find_device() {
    std::optional<at::Device> found;
    for (std::size_t k = first_; k < stack_.size(); ++k) {
      if (stack_[k].isDevice() && !found) found = stack_[k].toDevice();
      for_each_tensor(stack_[k], [&](const at::Tensor& tensor) {
        if (tensor.is_cpu() && tensor.dim() == 0) return;
        if (!found) found = tensor.device();
        TORCH_CHECK(tensor.device() == *found, op_.operator_name(), " has tensors on ", *found,
                    " and on ", tensor.device());
      });
    }
    TORCH_CHECK(found, op_.operator_name(), ": of no device");
    return device_ =
               found->has_index() ? *found : at::Device(found->type(), current_device().index());
  }

  bool returns_view() const {
    for (const auto& result : op_.schema().returns()) {
      const auto* const alias = result.alias_info();
      if (alias != nullptr && !alias->isWrite()) return true;
    }
    return false;
  }

  void count_kind() const {
    const auto name = c10::toString(op_.operator_name());
    if (returns_view()) return;
    static const std::set<std::string> waiting{"aten::equal", "aten::nonzero",
                                               "aten::masked_select", "aten::_unique2",
                                               "aten::is_nonzero"};
    bool waits = waiting.contains(name);
    if (name == "aten::repeat_interleave.Tensor") waits = stack_.back().isNone();
    if (name == "aten::segment_reduce") waits = !stack_[first_ + 6].toBool();
    if (waits) {
      count(&DeviceCounts::waits);
      land_all();
    }
    count_launch(name);
  }

  c10::IValue on_cpu(std::size_t k) {
    const auto& value = stack_[k];
    if (value.isDevice()) return at::Device(at::kCPU);
    if (value.isTensor()) return remembered(value.toTensor());
    if (value.isTensorList()) {
      c10::List<at::Tensor> list;
      for (const auto& tensor : value.toTensorVector()) list.push_back(remembered(tensor));
      return list;
    }
    if (value.isOptionalTensorList()) {
      c10::List<std::optional<at::Tensor>> list;
      for (const std::optional<at::Tensor> tensor : value.toOptionalTensorList()) {
        list.push_back(tensor ? std::optional(remembered(*tensor)) : std::nullopt);
      }
      return list;
    }
    const auto& type = op_.schema().arguments()[k - first_].type()->str();
    if (type.starts_with("Generator")) {
      const auto generator = value.isNone() ? fake_generator(device_.index()) : value.toGenerator();
      TORCH_CHECK(generator.device() == device_, op_.operator_name(), " on ", device_,
                  " has a generator of ", generator.device());
      return static_cast<const FakeGenerator*>(generator.unsafeGetGeneratorImpl())->numbers();
    }
    return value;
  }

  at::Tensor remembered(const at::Tensor& tensor) {
    auto view = cpu_view(tensor);
    if (tensor.defined()) arguments_.emplace_back(view, tensor);
    return view;
  }

  c10::IValue on_device(const c10::IValue& value, const c10::Argument& result) const {
    if (value.isTensor()) return tensor_on_device(value.toTensor(), result.alias_info());
    if (!value.isTensorList()) return value;
    c10::List<at::Tensor> list;
    for (const auto& tensor : value.toTensorVector()) {
      list.push_back(tensor_on_device(tensor, result.alias_info()));
    }
    return list;
  }

  /// Kernels give an empty result its shape, and new memory.
  void follow_shape(const at::Tensor& view, const at::Tensor& argument) const {
    if (argument.is_cpu() || view.sizes() == argument.sizes()) return;
    const auto adopted = adopt(view, device_);
    auto* const impl = argument.unsafeGetTensorImpl();
    impl->set_storage_keep_dtype(adopted.storage());
    impl->set_sizes_and_strides(view.sizes(), view.strides(), view.storage_offset());
  }

  at::Tensor tensor_on_device(const at::Tensor& result, const c10::AliasInfo* alias) const {
    for (const auto& [view, argument] : arguments_) {
      if (result.is_same(view)) return argument;
    }
    if (alias == nullptr || !result.defined()) return adopt(result, device_);
    return view_on(result, arguments_.front().second.storage(), kFakeKeys);
  }

  const c10::OperatorHandle& op_;
  torch::jit::Stack& stack_;
  std::ptrdiff_t first_;
  at::Device device_ = at::kCPU;
  std::vector<std::pair<at::Tensor, at::Tensor>> arguments_;  ///< on the CPU, on the device
};

void run_on_cpu(const c10::OperatorHandle& op, torch::jit::Stack* stack) { Call(op, *stack).run(); }

at::Tensor empty(at::IntArrayRef size, std::optional<at::ScalarType> type,
                 std::optional<at::Layout>, std::optional<at::Device> device, std::optional<bool>,
                 std::optional<at::MemoryFormat> format) {
  const c10::OptionalDeviceGuard guard(device);
  return at::detail::empty_generic(size, &fake_allocator(), kFakeKeys, c10::dtype_or_default(type),
                                   format);
}

at::Tensor empty_strided(at::IntArrayRef size, at::IntArrayRef stride,
                         std::optional<at::ScalarType> type, std::optional<at::Layout>,
                         std::optional<at::Device> device, std::optional<bool>) {
  const c10::OptionalDeviceGuard guard(device);
  return at::detail::empty_strided_generic(size, stride, &fake_allocator(), kFakeKeys,
                                           c10::dtype_or_default(type));
}

at::Tensor copy_from(const at::Tensor& from, const at::Tensor& to, bool non_blocking) {
  const auto source = cpu_view(from), target = cpu_view(to);
  if (!from.is_cpu() && !to.is_cpu()) {
    TORCH_CHECK(from.device() == to.device(), "a copy between ", from.device(), " and ",
                to.device());
    count_launch("aten::_copy_from");
    target.copy_(source);
    return to;
  }
  count(from.is_cpu() ? &DeviceCounts::to_device : &DeviceCounts::to_host);
  const auto& host = from.is_cpu() ? from : to;
  if (!non_blocking || !is_pinned(host.const_data_ptr())) {
    count(&DeviceCounts::waits);
    land_all();
    target.copy_(source);
  } else if (from.is_cpu()) {
    target.copy_(source);
  } else {
    TORCH_CHECK(to.is_contiguous(), "a copy to scattered pinned memory");
    const auto arriving = at::empty_like(target);
    arriving.copy_(source);
    poison(target.mutable_data_ptr(), target.nbytes());
    land_later([target, arriving] { target.copy_(arriving); });
  }
  return to;
}

at::Scalar local_scalar_dense(const at::Tensor& tensor) {
  count(&DeviceCounts::waits);
  count(&DeviceCounts::to_host);
  land_all();
  return cpu_view(tensor).item();
}

}  // namespace

at::Device fake_device(std::int8_t index) { return {kFake, index}; }

DeviceCounts device_counts() {
  const std::lock_guard lock(counts_mutex);
  return counts;
}

void count_wait() { count(&DeviceCounts::waits); }

DeviceCounts DeviceCounts::since(const DeviceCounts& before) const {
  DeviceCounts difference{.launches = launches - before.launches,
                          .waits = waits - before.waits,
                          .to_device = to_device - before.to_device,
                          .to_host = to_host - before.to_host};
  for (const auto& [name, number] : launches_by_name) {
    const auto found = before.launches_by_name.find(name);
    const auto more = number - (found == before.launches_by_name.end() ? 0 : found->second);
    if (more != 0) difference.launches_by_name[name] = more;
  }
  return difference;
}

void move_to(const torch::nn::Module& module, const at::Device& device) {
  for (const auto& tensors : {module.parameters(), module.buffers()}) {
    for (const auto& tensor : tensors) {
      tensor.unsafeGetTensorImpl()->shallow_copy_from(tensor.detach().to(device).getIntrusivePtr());
    }
  }
}

at::Tensor cpu_view(const at::Tensor& tensor) {
  if (!tensor.defined() || tensor.is_cpu()) return tensor;
  const auto& storage = tensor.storage();
  return view_on(tensor,
                 c10::Storage(c10::Storage::use_byte_size_t(), storage.nbytes(),
                              c10::DataPtr(storage.mutable_data(), at::kCPU),
                              c10::GetCPUAllocator(), /*resizable=*/true),
                 c10::DispatchKeySet(c10::DispatchKey::CPU));
}

TORCH_LIBRARY_IMPL(_, PrivateUse1, m) {
  m.fallback(torch::CppFunction::makeFromBoxedFunction<&run_on_cpu>());
}

TORCH_LIBRARY_IMPL(aten, PrivateUse1, m) {
  m.impl("empty.memory_format", &empty);
  m.impl("empty_strided", &empty_strided);
  m.impl("_copy_from", &copy_from);
  m.impl("_local_scalar_dense", &local_scalar_dense);
  // GPUs have one kernel for all tensors of these; without a kernel LibTorch goes tensor by tensor.
  for (const auto* name : {"_foreach_norm.Scalar", "_foreach_add_.Scalar", "_foreach_copy_"}) {
    m.impl(name, torch::CppFunction::makeFromBoxedFunction<&run_on_cpu>());
  }
}

}  // namespace lorentznet::test
