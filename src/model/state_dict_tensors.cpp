#include "model/state_dict_tensors.h"

#include <ATen/ops/empty.h>

#include <algorithm>
#include <cstring>

#include "io/message.h"
#include "lorentznet/error.h"

namespace lorentznet {
namespace {

using Kind = PickleValue::Kind;

// A bound that no state dict of this model comes near: a LorentzNet has about 1 MB.
constexpr std::uint64_t max_tensor_bytes = std::uint64_t{1} << 28;  // of all tensors together
constexpr std::size_t max_axes = 16;

// Throws unless every element that sizes and strides reach lies in the storage, and there are no
// more of them than it has: strides of zero would let a small file fill the memory.
void check_extent(std::int64_t available, std::int64_t offset,
                  const std::vector<std::int64_t>& sizes, const std::vector<std::int64_t>& strides,
                  const std::string& what) {
  if (sizes.size() != strides.size()) {
    throw InputError(what + " has " + std::to_string(sizes.size()) + " axes, but " +
                     std::to_string(strides.size()) + " strides");
  }
  std::int64_t count = 1;
  std::int64_t last = offset;
  bool overflow = false;
  for (std::size_t axis = 0; axis < sizes.size(); ++axis) {
    std::int64_t reach = 0;
    overflow |= __builtin_mul_overflow(count, sizes[axis], &count);
    overflow |=
        __builtin_mul_overflow(std::max<std::int64_t>(sizes[axis] - 1, 0), strides[axis], &reach);
    overflow |= __builtin_add_overflow(last, reach, &last);
  }
  const bool inside = count == 0 ? offset <= available : last < available && count <= available;
  if (overflow || !inside) {
    const std::string extent =
        overflow ? "2^63 elements or more"
                 : std::to_string(count) + " elements, the last at place " + std::to_string(last);
    throw InputError(what + " reaches beyond its storage: it has " + extent + ", the storage has " +
                     std::to_string(available));
  }
}

}  // namespace

at::Tensor TensorReader::tensor(const PickleValue& value, const std::string& what) {
  const PickleValue& inner = unwrap_parameter(value, what);
  const auto& arguments = call_arguments(inner, rebuild_tensor, 6, 7, what);
  const at::Tensor elements = storage(pickle_.at(arguments[0]), what);
  const std::int64_t offset = non_negative(pickle_.at(arguments[1]), what + ": offset");
  const auto sizes = numbers(pickle_.at(arguments[2]), what + ": size");
  const auto strides = numbers(pickle_.at(arguments[3]), what + ": stride");
  check_extent(elements.numel(), offset, sizes, strides, what);
  const at::Tensor view = elements.as_strided(sizes, strides, offset);
  count_bytes(static_cast<std::uint64_t>(view.numel()) * view.element_size(), what);
  // A copy: it owns just its own memory, whatever else shares the storage.
  return view.clone(at::MemoryFormat::Contiguous);
}

// nn.Parameter(tensor, requires_grad, hooks) is a tensor as well.
const PickleValue& TensorReader::unwrap_parameter(const PickleValue& value,
                                                  const std::string& what) const {
  if (value.kind != Kind::call || pickle_.at(value.parts[0]).text != rebuild_parameter) {
    return value;
  }
  return pickle_.at(call_arguments(value, rebuild_parameter, 3, 3, what)[0]);
}

// The arguments of a call of `function`, at least `fewest` and at most `most`.
const TensorReader::Indices& TensorReader::call_arguments(const PickleValue& value,
                                                          std::string_view function,
                                                          std::size_t fewest, std::size_t most,
                                                          const std::string& what) const {
  if (value.kind != Kind::call || pickle_.at(value.parts[0]).text != function) {
    throw InputError(what + " is " + value.describe() + ", expected a tensor");
  }
  const auto& arguments = pickle_.at(value.parts[1]).parts;
  if (arguments.size() < fewest || arguments.size() > most) {
    throw InputError(what + " is made of " + std::to_string(arguments.size()) +
                     " arguments, expected " + std::to_string(fewest) + " to " +
                     std::to_string(most));
  }
  return arguments;
}

// ('storage', type, key, device, number of elements); the device is of no importance.
at::Tensor TensorReader::storage(const PickleValue& value, const std::string& what) {
  if (value.kind != Kind::persistent || pickle_.at(value.parts[0]).parts.size() != 5) {
    throw InputError(what + " has " + value.describe() + " for a storage, expected a reference");
  }
  const auto& parts = pickle_.at(value.parts[0]).parts;
  const PickleValue& type = pickle_.at(parts[1]);
  const PickleValue& key = pickle_.at(parts[2]);
  if (pickle_.at(parts[0]).text != "storage" || key.kind != Kind::text) {
    throw InputError(what + " has a storage with the key " + key.describe() +
                     ", expected 'storage' and a text");
  }
  const auto dtype = storage_dtype(type.text);
  if (type.kind != Kind::global || !dtype) {
    throw InputError(what + " has a storage of " + type.describe() +
                     ", expected FloatStorage, DoubleStorage or LongStorage");
  }
  const std::int64_t count = non_negative(pickle_.at(parts[4]), what + ": storage size");
  const auto known = storages_.find(key.text);
  if (known == storages_.end()) return load_storage(std::string(key.text), *dtype, count, what);
  if (known->second.scalar_type() != *dtype || known->second.numel() != count) {
    throw InputError(what + " has the storage " + in_quotes(key.text) + " with " +
                     std::to_string(count) + " elements, elsewhere it has another type or " +
                     std::to_string(known->second.numel()));
  }
  return known->second;
}

at::Tensor TensorReader::load_storage(const std::string& key, at::ScalarType dtype,
                                      std::int64_t count, const std::string& what) {
  const std::string entry = folder_ + "/data/" + key;
  const std::uint64_t found = archive_.announced_size(entry);
  const std::uint64_t item = c10::elementSize(dtype);
  // Divided, since count * item may overflow.
  if (found % item != 0 || found / item != static_cast<std::uint64_t>(count)) {
    throw InputError(what + " has a storage of " + std::to_string(count) + " elements of " +
                     std::to_string(item) + " bytes, the entry " + in_quotes(entry) + " holds " +
                     std::to_string(found) + " bytes");
  }
  count_bytes(found, what);
  const std::string bytes = archive_.read(entry, found);
  at::Tensor elements = at::empty({count}, dtype);
  if (!bytes.empty()) std::memcpy(elements.data_ptr(), bytes.data(), bytes.size());
  return storages_.emplace(key, elements).first->second;
}

std::int64_t TensorReader::non_negative(const PickleValue& value, const std::string& what) const {
  if (value.kind == Kind::integer && value.integer >= 0) return value.integer;
  throw InputError(what + " is " + value.describe() + ", expected an integer from 0 on");
}

std::vector<std::int64_t> TensorReader::numbers(const PickleValue& value,
                                                const std::string& what) const {
  if (value.kind != Kind::tuple || value.parts.size() > max_axes) {
    throw InputError(what + " is " + value.describe() + ", expected a tuple of at most " +
                     std::to_string(max_axes));
  }
  std::vector<std::int64_t> out;
  for (const std::uint32_t part : value.parts) out.push_back(non_negative(pickle_.at(part), what));
  return out;
}

void TensorReader::count_bytes(std::uint64_t bytes, const std::string& what) {
  total_bytes_ += std::min(bytes, max_tensor_bytes + 1);
  if (total_bytes_ <= max_tensor_bytes) return;
  throw InputError(what + ": with it the tensors take " + std::to_string(total_bytes_) +
                   " bytes or more, expected at most " + std::to_string(max_tensor_bytes));
}

}  // namespace lorentznet
