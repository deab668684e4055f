#include <c10/util/Exception.h>
#include <caffe2/serialize/inline_container.h>

#include <set>

#include "io/file.h"
#include "lorentznet/state_dict.h"
#include "model/pickle_writer.h"
#include "model/state_dict_format.h"

namespace lorentznet {
namespace {

// "FloatStorage", ... of the module torch.
std::string_view storage_name(at::ScalarType dtype, const std::string& name) {
  for (const StorageType& type : storage_types) {
    if (type.dtype == dtype) return type.global.substr(type.global.find(' ') + 1);
  }
  TORCH_CHECK(false, "write_state_dict: ", name, " is of type ", toString(dtype),
              ", expected Float, Double or Long");
}

void write_numbers(PickleWriter& pickle, at::IntArrayRef numbers) {
  pickle.op(PickleOpcode::mark);
  for (const std::int64_t number : numbers) pickle.integer(number);
  pickle.op(PickleOpcode::tuple);
}

// torch._utils._rebuild_tensor_v2(storage, offset, size, stride, requires_grad, hooks); the storage
// is the persistent id ('storage', type, key, device, number of elements).
void write_tensor(PickleWriter& pickle, const std::string& name, const at::Tensor& tensor,
                  std::size_t key) {
  pickle.global("torch._utils", "_rebuild_tensor_v2");
  pickle.op(PickleOpcode::mark);
  pickle.op(PickleOpcode::mark);
  pickle.text("storage");
  pickle.global("torch", storage_name(tensor.scalar_type(), name));
  pickle.text(std::to_string(key));
  pickle.text("cpu");
  pickle.integer(tensor.numel());
  pickle.op(PickleOpcode::tuple);
  pickle.op(PickleOpcode::bin_persid);
  pickle.integer(0);
  write_numbers(pickle, tensor.sizes());
  write_numbers(pickle, tensor.strides());
  pickle.op(PickleOpcode::new_false);
  pickle.global("collections", "OrderedDict");
  pickle.op(PickleOpcode::empty_tuple);
  pickle.op(PickleOpcode::reduce);
  pickle.op(PickleOpcode::tuple);
  pickle.op(PickleOpcode::reduce);
}

std::string pickle_of(const StateDict& tensors) {
  PickleWriter pickle;
  pickle.global("collections", "OrderedDict");
  pickle.op(PickleOpcode::empty_tuple);
  pickle.op(PickleOpcode::reduce);
  pickle.op(PickleOpcode::mark);
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    pickle.text(std::string(module_prefix) + tensors[i].first);
    write_tensor(pickle, tensors[i].first, tensors[i].second, i);
  }
  pickle.op(PickleOpcode::set_items);
  return pickle.finish();
}

// The tensors as they are stored: contiguous and on the CPU.
StateDict stored_form(const StateDict& tensors) {
  StateDict stored;
  std::set<std::string_view> names;
  for (const auto& [name, tensor] : tensors) {
    TORCH_CHECK(tensor.defined(), "write_state_dict: ", name, " is undefined, expected a tensor");
    TORCH_CHECK(!name.starts_with(module_prefix), "write_state_dict: ", name,
                " begins with module., expected the model's own name");
    TORCH_CHECK(names.insert(name).second, "write_state_dict: ", name,
                " occurs twice, expected once");
    stored.emplace_back(name, tensor.detach().cpu().contiguous());
  }
  return stored;
}

}  // namespace

void write_state_dict(const std::filesystem::path& path, const StateDict& tensors) {
  const StateDict stored = stored_form(tensors);
  const std::string pickle = pickle_of(stored);
  constexpr std::string_view byte_order = "little";
  // Into memory first: an exception of the file must not pass through the C code of the archive.
  std::string archive;
  caffe2::serialize::PyTorchStreamWriter writer([&](const void* bytes, std::size_t count) {
    archive.append(static_cast<const char*>(bytes), count);
    return count;
  });
  writer.writeRecord("data.pkl", pickle.data(), pickle.size());
  writer.writeRecord("byteorder", byte_order.data(), byte_order.size());
  for (std::size_t i = 0; i < stored.size(); ++i) {
    writer.writeRecord("data/" + std::to_string(i), stored[i].second.const_data_ptr(),
                       stored[i].second.nbytes());
  }
  writer.writeEndOfFile();
  write_file_whole(path, archive);
}

}  // namespace lorentznet
