#include "lorentznet/state_dict.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <set>
#include <string_view>

#include "io/message.h"
#include "io/zip.h"
#include "lorentznet/error.h"
#include "model/pickle_reader.h"
#include "model/state_dict_format.h"
#include "model/state_dict_tensors.h"

namespace lorentznet {
namespace {

// A bound that no state dict of this model comes near: a LorentzNet's pickle has 20 kB.
constexpr std::uint64_t max_pickle_bytes = 1 << 20;

constexpr std::string_view data_pickle = "/data.pkl";

// The folder that all entries are in; torch.save names it after the file.
std::string find_folder(const ZipArchive& archive) {
  const std::string file = archive.path().string();
  std::optional<std::string> folder;
  for (const std::string& name : archive.names()) {
    if (!name.ends_with(data_pickle)) continue;
    if (folder) throw InputError(file + ": holds 2 entries 'data.pkl', expected 1");
    folder = name.substr(0, name.size() - data_pickle.size());
  }
  if (!folder) {
    throw InputError(file + ": is not a checkpoint: a zip archive of " +
                     std::to_string(archive.names().size()) + " entries without 'data.pkl'");
  }
  return *folder;
}

void check_format(const ZipArchive& archive, const std::string& folder) {
  const std::string file = archive.path().string();
  constexpr std::uint64_t max_bytes = 16;
  const std::string version = archive.read(folder + "/version", max_bytes);
  int number = 0;
  std::from_chars(version.data(), version.data() + version.size(), number);
  // 1 to 3 are torch.save's; torch::jit counts on, but its archives hold other pickles.
  if (number < 1 || number > 3) {
    throw InputError(file + ": is of format version " + in_quotes(version) + ", expected 1 to 3");
  }
  // Only newer versions of torch record the byte order.
  if (!archive.has(folder + "/byteorder")) return;
  const std::string order = archive.read(folder + "/byteorder", max_bytes);
  if (order != "little") {
    throw InputError(file + ": has the byte order " + in_quotes(order) + ", expected 'little'");
  }
}

// Takes "module." off all the names or, where none has it, off none.
void strip_module(StateDict& tensors, const std::string& file) {
  const auto has_prefix = [](const auto& entry) { return entry.first.starts_with(module_prefix); };
  const auto count = std::count_if(tensors.begin(), tensors.end(), has_prefix);
  if (count == 0) return;
  if (count != static_cast<std::ptrdiff_t>(tensors.size())) {
    throw InputError(file + ": " + std::to_string(count) + " of " + std::to_string(tensors.size()) +
                     " names begin with 'module.', expected all or none");
  }
  for (auto& entry : tensors) entry.first.erase(0, module_prefix.size());
}

}  // namespace

StateDict read_state_dict(const std::filesystem::path& path) {
  const ZipArchive archive(path);
  const std::string file = path.string();
  const std::string folder = find_folder(archive);
  check_format(archive, folder);
  const std::string entry = folder + std::string(data_pickle);
  const std::string bytes = archive.read(entry, max_pickle_bytes);
  const Pickle pickle = parse_pickle(bytes, file + ": " + entry, TensorReader::allowed_globals);
  const PickleValue& root = pickle.at(pickle.root);
  if (root.kind != PickleValue::Kind::dict) {
    throw InputError(file + ": holds " + root.describe() + ", expected a state dict");
  }
  TensorReader reader(archive, folder, pickle);
  StateDict tensors;
  std::set<std::string_view> names;
  for (std::size_t i = 0; i + 1 < root.parts.size(); i += 2) {
    const PickleValue& name = pickle.at(root.parts[i]);
    if (name.kind != PickleValue::Kind::text || !names.insert(name.text).second) {
      throw InputError(file + ": has " + name.describe() +
                       " for a name, expected a text that occurs once");
    }
    tensors.emplace_back(
        name.text, reader.tensor(pickle.at(root.parts[i + 1]), file + ": " + in_quotes(name.text)));
  }
  strip_module(tensors, file);
  return tensors;
}

}  // namespace lorentznet
