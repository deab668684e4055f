#include <algorithm>
#include <set>
#include <stdexcept>

#include "io/file.h"
#include "io/zip.h"
#include "lorentznet/checkpoint.h"
#include "tagger/pickle.h"
#include "tagger/state_dict_format.h"

namespace lorentznet {
namespace {

using Op = PickleOpcode;

void write_tuple(PickleWriter& pickle, const std::vector<std::int64_t>& numbers) {
  pickle.op(Op::kMark);
  for (const std::int64_t number : numbers) pickle.integer(number);
  pickle.op(Op::kTuple);
}

/// In elements, of a contiguous tensor; torch counts an empty axis as one element.
std::vector<std::int64_t> strides_of(const std::vector<std::int64_t>& shape) {
  std::vector<std::int64_t> strides(shape.size(), 1);
  for (std::size_t axis = shape.size(); axis-- > 1;) {
    strides[axis - 1] = strides[axis] * std::max<std::int64_t>(shape[axis], 1);
  }
  return strides;
}

/// torch._utils._rebuild_tensor_v2(storage, offset, size, stride, requires_grad, hooks); the
/// storage is the persistent id ('storage', type, key, device, number of elements).
void write_tensor(PickleWriter& pickle, const Array& array, std::size_t key) {
  const std::string_view global = storage_type(array.type()).global;
  pickle.global("torch._utils", "_rebuild_tensor_v2");
  pickle.op(Op::kMark);
  pickle.op(Op::kMark);
  pickle.text("storage");
  pickle.global("torch", global.substr(global.find(' ') + 1));
  pickle.text(std::to_string(key));
  pickle.text("cpu");
  pickle.integer(array.element_count());
  pickle.op(Op::kTuple);
  pickle.op(Op::kBinPersid);
  pickle.integer(0);
  write_tuple(pickle, array.shape());
  write_tuple(pickle, strides_of(array.shape()));
  pickle.op(Op::kNewFalse);
  pickle.global("collections", "OrderedDict");
  pickle.op(Op::kEmptyTuple);
  pickle.op(Op::kReduce);
  pickle.op(Op::kTuple);
  pickle.op(Op::kReduce);
}

std::string pickle_of(const StateDict& state) {
  PickleWriter pickle;
  pickle.global("collections", "OrderedDict");
  pickle.op(Op::kEmptyTuple);
  pickle.op(Op::kReduce);
  pickle.op(Op::kMark);
  for (std::size_t i = 0; i < state.size(); ++i) {
    pickle.text(std::string(kModulePrefix) + state[i].first);
    write_tensor(pickle, state[i].second, i);
  }
  pickle.op(Op::kSetItems);
  return pickle.finish();
}

/// What read_state_dict refuses is not written.
void check_readable(const StateDict& state, const std::string& pickle) {
  for (const auto& [name, array] : state) {
    if (array.shape().size() > kMaxAxes) {
      throw std::invalid_argument("write_state_dict: " + name + " has " +
                                  std::to_string(array.shape().size()) + " axes, at most " +
                                  std::to_string(kMaxAxes) + " can be read");
    }
  }
  if (pickle.size() > kMaxPickleBytes) {
    throw std::invalid_argument("write_state_dict: the names and shapes of " +
                                std::to_string(state.size()) + " arrays take " +
                                std::to_string(pickle.size()) + " bytes, at most " +
                                std::to_string(kMaxPickleBytes) + " can be read");
  }
}

void check_names(const StateDict& state) {
  std::set<std::string_view> names;
  for (const auto& [name, array] : state) {
    if (name.starts_with(kModulePrefix)) {
      throw std::invalid_argument("write_state_dict: " + name + " begins with module.");
    }
    if (!names.insert(name).second) {
      throw std::invalid_argument("write_state_dict: " + name + " occurs twice");
    }
  }
}

}  // namespace

void write_state_dict(const std::filesystem::path& path, const StateDict& state,
                      const std::string& description) {
  check_names(state);
  const std::string pickle = pickle_of(state);
  check_readable(state, pickle);
  std::vector<std::pair<std::string, std::string_view>> entries{{"archive/data.pkl", pickle},
                                                                {"archive/byteorder", "little"}};
  for (std::size_t i = 0; i < state.size(); ++i) {
    entries.emplace_back("archive/data/" + std::to_string(i), state[i].second.bytes());
  }
  entries.emplace_back("archive/version", "3\n");
  if (!description.empty()) {
    entries.emplace_back("archive/" + std::string(kDescriptionEntry), description);
  }
  constexpr std::size_t kAlignment = 64;  // as torch.save, for files that are mapped into memory
  write_file_whole(path, zip_bytes(entries, kAlignment));
}

}  // namespace lorentznet
