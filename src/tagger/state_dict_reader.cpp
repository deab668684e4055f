#include <algorithm>
#include <bit>
#include <charconv>
#include <cmath>
#include <cstring>
#include <functional>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <set>

#include "io/message.h"
#include "io/stored_zip.h"
#include "lorentznet/checkpoint.h"
#include "lorentznet/error.h"
#include "tagger/pickle.h"
#include "tagger/state_dict_format.h"

namespace lorentznet {
namespace {

using Kind = PickleValue::Kind;
using Numbers = std::vector<std::int64_t>;

// Of a file that is smaller, whose tensors may share memory. A larger one may hold as much as it
// has bytes, so that whatever was written can be read.
constexpr std::uint64_t kMaxUnpackedArrays = std::uint64_t{1} << 28;

constexpr std::string_view kDataPickle = "/data.pkl";
constexpr std::string_view kRebuildTensor = "torch._utils _rebuild_tensor_v2";
constexpr std::string_view kRebuildParameter = "torch._utils _rebuild_parameter";
constexpr std::array<std::string_view, 8> kAllowedGlobals{
    "collections OrderedDict", kRebuildTensor,          kRebuildParameter,
    kStorageTypes[0].global,   kStorageTypes[1].global, kStorageTypes[2].global,
    kStorageTypes[3].global,   kStorageTypes[4].global};

/// The elements that tensors are made of: an entry "data/KEY" of the archive.
struct Storage {
  const StorageType* type;
  std::int64_t count;
  std::shared_ptr<const std::string> bytes;
};

/// A part of a storage, in elements.
struct View {
  std::int64_t offset;
  Numbers sizes, strides;
};

/// Requires that every element of `view` lies in the storage, and that it has no more elements
/// than the storage: with strides of zero a small file could fill the memory.
/// \return the number of elements
std::int64_t check_extent(const View& view, std::int64_t available, const std::string& what) {
  if (view.sizes.size() != view.strides.size()) {
    throw InputError(what + " has " + std::to_string(view.sizes.size()) + " axes, but " +
                     std::to_string(view.strides.size()) + " strides");
  }
  std::int64_t volume = 1, last = view.offset;
  bool overflow = false, empty = false;
  for (std::size_t axis = 0; axis < view.sizes.size(); ++axis) {
    const auto size = view.sizes[axis], at_least_one = std::max<std::int64_t>(size, 1);
    std::int64_t reach = 0;
    overflow |= __builtin_mul_overflow(volume, at_least_one, &volume);
    overflow |= __builtin_mul_overflow(at_least_one - 1, view.strides[axis], &reach);
    overflow |= __builtin_add_overflow(last, reach, &last);
    empty |= size == 0;
  }
  const auto count = empty ? 0 : volume;
  const bool inside = empty ? view.offset <= available : last < available && count <= available;
  if (!overflow && inside) return count;
  const std::string extent =
      overflow ? "2^63 elements or more"
               : std::to_string(count) + " elements, the last at position " + std::to_string(last);
  throw InputError(what + " reaches beyond its storage: it has " + extent + ", the storage has " +
                   std::to_string(available));
}

/// Whether the elements of a view lie one after the other, the last axis fastest.
bool is_contiguous(const View& view) {
  std::int64_t expected = 1;
  for (std::size_t axis = view.sizes.size(); axis-- > 0;) {
    if (view.sizes[axis] != 1 && view.strides[axis] != expected) return false;
    expected *= std::max<std::int64_t>(view.sizes[axis], 1);
  }
  return true;
}

/// Copies the elements of a view that has passed check_extent.
/// \param convert  makes a value of the array of a stored element
template <typename Stored, typename Convert>
Array gather(const std::string& bytes, const View& view, std::int64_t count, Convert convert) {
  using Value = std::decay_t<std::invoke_result_t<Convert, Stored>>;
  std::vector<Value> values(static_cast<std::size_t>(count));
  Numbers index(view.sizes.size());
  // Unsigned: an axis of one element may have any stride.
  auto place = static_cast<std::uint64_t>(view.offset);
  for (auto& value : values) {
    Stored stored{};
    std::memcpy(&stored, bytes.data() + place * sizeof(Stored), sizeof(Stored));
    value = convert(stored);
    for (std::size_t axis = index.size(); axis-- > 0;) {
      const auto stride = static_cast<std::uint64_t>(view.strides[axis]);
      place += stride;
      if (++index[axis] < view.sizes[axis]) break;
      place -= stride * static_cast<std::uint64_t>(view.sizes[axis]);
      index[axis] = 0;
    }
  }
  return {view.sizes, std::move(values)};
}

/// The array of a view that has passed check_extent. It shares the storage's memory where it can.
Array array_of_view(const Storage& storage, const View& view, std::int64_t count) {
  const auto& [type, elements, bytes] = storage;
  if (type->widen != nullptr) return gather<std::uint16_t>(*bytes, view, count, type->widen);
  if (is_contiguous(view)) {
    const char* const first =
        bytes->data() + static_cast<std::uint64_t>(view.offset) * type->item_size;
    return {type->type, view.sizes, {bytes, first}};
  }
  if (type->type == ElementType::kInt64) {
    return gather<std::int64_t>(*bytes, view, count, std::identity());
  }
  return type->type == ElementType::kFloat ? gather<float>(*bytes, view, count, std::identity())
                                           : gather<double>(*bytes, view, count, std::identity());
}

/// Turns values of a checkpoint's pickle into arrays. Whatever does not fit throws InputError.
class ArrayReader {
 public:
  /// `folder` is the one that all entries of `archive` are in. `archive` and `pickle` must outlive
  /// the reader.
  ArrayReader(const StoredZip& archive, std::string folder, const Pickle& pickle,
              std::uint64_t file_size)
      : archive_(archive),
        folder_(std::move(folder)),
        pickle_(pickle),
        most_bytes_(std::max(file_size, kMaxUnpackedArrays)) {}

  /// The array of a tensor or nn.Parameter. \param what  begins the messages: "FILE: 'NAME'"
  Array array(const PickleValue& value, const std::string& what) {
    const PickleValue& inner = unwrap_parameter(value, what);
    const auto& arguments = call_arguments(inner, kRebuildTensor, 6, 7, what);
    const Storage& elements = storage(pickle_.at(arguments[0]), what);
    const View view{.offset = non_negative(pickle_.at(arguments[1]), what + ": offset"),
                    .sizes = numbers(pickle_.at(arguments[2]), what + ": size"),
                    .strides = numbers(pickle_.at(arguments[3]), what + ": stride")};
    const auto count = check_extent(view, elements.count, what);
    count_bytes(array_bytes_, static_cast<std::uint64_t>(count) * elements.type->item_size, what);
    return array_of_view(elements, view, count);
  }

 private:
  using Indices = std::vector<std::uint32_t>;

  /// nn.Parameter(tensor, requires_grad, hooks) counts as its tensor.
  const PickleValue& unwrap_parameter(const PickleValue& value, const std::string& what) const {
    if (value.kind != Kind::kCall || pickle_.at(value.parts[0]).text != kRebuildParameter) {
      return value;
    }
    return pickle_.at(call_arguments(value, kRebuildParameter, 3, 3, what)[0]);
  }

  const Indices& call_arguments(const PickleValue& value, std::string_view function,
                                std::size_t fewest, std::size_t most,
                                const std::string& what) const {
    if (value.kind != Kind::kCall || pickle_.at(value.parts[0]).text != function) {
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

  /// ('storage', type, key, device, number of elements)
  const Storage& storage(const PickleValue& value, const std::string& what) {
    if (value.kind != Kind::kPersistent || pickle_.at(value.parts[0]).parts.size() != 5) {
      throw InputError(what + " has " + value.describe() + " for a storage, expected a reference");
    }
    const auto& parts = pickle_.at(value.parts[0]).parts;
    const PickleValue& key = pickle_.at(parts[2]);
    if (pickle_.at(parts[0]).text != "storage" || key.kind != Kind::kText) {
      throw InputError(what + " has a storage with the key " + key.describe() +
                       ", expected 'storage' and a text");
    }
    const StorageType& type = type_of(pickle_.at(parts[1]), what);
    const auto count = non_negative(pickle_.at(parts[4]), what + ": storage size");
    const auto known = storages_.find(key.text);
    if (known == storages_.end()) return load(std::string(key.text), type, count, what);
    if (known->second.type != &type || known->second.count != count) {
      throw InputError(what + " has the storage " + in_quotes(key.text) + " with " +
                       std::to_string(count) + " elements, elsewhere it has another type or " +
                       std::to_string(known->second.count));
    }
    return known->second;
  }

  const StorageType& type_of(const PickleValue& value, const std::string& what) const {
    for (const StorageType& type : kStorageTypes) {
      if (value.kind == Kind::kGlobal && value.text == type.global) return type;
    }
    throw InputError(what + " has a storage of " + value.describe() +
                     ", expected Float-, Double-, Long-, Half- or BFloat16Storage");
  }

  const Storage& load(const std::string& key, const StorageType& type, std::int64_t count,
                      const std::string& what) {
    const std::string entry = folder_ + "/data/" + key;
    const std::uint64_t found = archive_.size(entry), item = type.item_size;
    // Divided, since count * item may overflow.
    if (found % item != 0 || found / item != static_cast<std::uint64_t>(count)) {
      throw InputError(what + " has a storage of " + std::to_string(count) + " elements of " +
                       std::to_string(item) + " bytes, the entry " + in_quotes(entry) + " holds " +
                       std::to_string(found) + " bytes");
    }
    count_bytes(storage_bytes_, found, what);
    auto bytes = std::make_shared<const std::string>(archive_.read(entry, found));
    return storages_.emplace(key, Storage{&type, count, std::move(bytes)}).first->second;
  }

  std::int64_t non_negative(const PickleValue& value, const std::string& what) const {
    if (value.kind == Kind::kInteger && value.integer >= 0) return value.integer;
    throw InputError(what + " is " + value.describe() + ", expected an integer of at least 0");
  }

  Numbers numbers(const PickleValue& value, const std::string& what) const {
    if (value.kind != Kind::kTuple || value.parts.size() > kMaxAxes) {
      throw InputError(what + " is " + value.describe() + ", expected a tuple of at most " +
                       std::to_string(kMaxAxes));
    }
    Numbers out;
    for (const auto part : value.parts) out.push_back(non_negative(pickle_.at(part), what));
    return out;
  }

  /// Adds `bytes` to `total`, of the tensors or of their storages.
  void count_bytes(std::uint64_t& total, std::uint64_t bytes, const std::string& what) const {
    total += std::min(bytes, most_bytes_ + 1);
    if (total <= most_bytes_) return;
    throw InputError(what + ": with it the tensors take " + std::to_string(total) +
                     " bytes or more, expected at most " + std::to_string(most_bytes_));
  }

  const StoredZip& archive_;
  std::string folder_;
  const Pickle& pickle_;
  std::map<std::string, Storage, std::less<>> storages_;  // by key
  std::uint64_t most_bytes_;
  // Tensors may share a storage, and entries of the archive may overlap.
  std::uint64_t array_bytes_ = 0, storage_bytes_ = 0;
};

/// The folder that all entries are in; torch.save names it after the file.
std::string find_folder(const StoredZip& archive) {
  const std::string file = archive.path().string();
  std::optional<std::string> folder;
  for (const std::string& name : archive.names()) {
    if (!name.ends_with(kDataPickle)) continue;
    if (folder) throw InputError(file + ": holds 2 entries 'data.pkl', expected 1");
    folder = name.substr(0, name.size() - kDataPickle.size());
  }
  if (!folder) {
    throw InputError(file + ": is not a checkpoint: a zip archive of " +
                     std::to_string(archive.names().size()) + " entries without 'data.pkl'");
  }
  return *folder;
}

void check_format(const StoredZip& archive, const std::string& folder) {
  const std::string file = archive.path().string();
  constexpr std::uint64_t kMaxBytes = 16;
  const std::string version = archive.read(folder + "/version", kMaxBytes);
  int number = 0;
  std::from_chars(version.data(), version.data() + version.size(), number);
  // torch.save writes 1 to 3; later numbers are torch::jit's, whose pickles differ.
  if (number < 1 || number > 3) {
    throw InputError(file + ": is of format version " + in_quotes(version) + ", expected 1 to 3");
  }
  // Only newer versions of torch record the byte order.
  if (!archive.has(folder + "/byteorder")) return;
  const std::string order = archive.read(folder + "/byteorder", kMaxBytes);
  if (order != "little") {
    throw InputError(file + ": has the byte order " + in_quotes(order) + ", expected 'little'");
  }
}

/// Removes "module." from all names, where they have it.
void strip_module(StateDict& state, const std::string& file) {
  const auto has_prefix = [](const auto& entry) { return entry.first.starts_with(kModulePrefix); };
  const auto count = std::count_if(state.begin(), state.end(), has_prefix);
  if (count == 0) return;
  if (count != static_cast<std::ptrdiff_t>(state.size())) {
    throw InputError(file + ": " + std::to_string(count) + " of " + std::to_string(state.size()) +
                     " names begin with 'module.', expected all or none");
  }
  for (auto& entry : state) entry.first.erase(0, kModulePrefix.size());
}

}  // namespace

float from_half(std::uint16_t bits) {
  // 1 bit sign, 5 bits exponent, 10 bits fraction.
  const int exponent = (bits >> 10) & 31, fraction = bits & 1023;
  const float sign = (bits & 0x8000) != 0 ? -1.F : 1.F;
  if (exponent == 31) {
    using Limits = std::numeric_limits<float>;
    return fraction == 0 ? sign * Limits::infinity() : Limits::quiet_NaN();
  }
  // Subnormal numbers have the exponent of the smallest normal ones, without the leading 1.
  const int significand = exponent == 0 ? fraction : 1024 + fraction;
  return sign * std::ldexp(static_cast<float>(significand), std::max(exponent, 1) - 25);
}

float from_bfloat16(std::uint16_t bits) {
  return std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16U);
}

std::optional<std::string> read_description_text(const std::filesystem::path& checkpoint) {
  const StoredZip archive(checkpoint);
  const auto entry = find_folder(archive) + "/" + std::string(kDescriptionEntry);
  constexpr std::uint64_t kMaxBytes = 1 << 20;
  if (!archive.has(entry)) return std::nullopt;
  return archive.read(entry, kMaxBytes);
}

StateDict read_state_dict(const std::filesystem::path& path) {
  const StoredZip archive(path);
  const std::string file = path.string();
  const std::string folder = find_folder(archive);
  check_format(archive, folder);
  const std::string entry = folder + std::string(kDataPickle);
  const std::string bytes = archive.read(entry, kMaxPickleBytes);
  const Pickle pickle = parse_pickle(bytes, file + ": " + entry, kAllowedGlobals);
  const PickleValue& root = pickle.at(pickle.root);
  if (root.kind != Kind::kDict) {
    throw InputError(file + ": holds " + root.describe() + ", expected a state dict");
  }
  ArrayReader reader(archive, folder, pickle, std::filesystem::file_size(path));
  StateDict state;
  std::set<std::string_view> names;
  for (std::size_t i = 0; i + 1 < root.parts.size(); i += 2) {
    const PickleValue& name = pickle.at(root.parts[i]);
    if (name.kind != Kind::kText || !names.insert(name.text).second) {
      throw InputError(file + ": has " + name.describe() +
                       " for a name, expected a text that occurs once");
    }
    state.emplace_back(
        name.text, reader.array(pickle.at(root.parts[i + 1]), file + ": " + in_quotes(name.text)));
  }
  strip_module(state, file);
  return state;
}

}  // namespace lorentznet
