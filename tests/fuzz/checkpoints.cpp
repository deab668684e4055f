#include <string>
#include <utility>
#include <vector>

#include "fuzz/common.h"
#include "fuzz/targets.h"
#include "io/zip.h"
#include "lorentznet/checkpoint.h"
#include "lorentznet/tagger.h"
#include "tagger/description.h"

namespace lorentznet::fuzz {
namespace {

bool is_same(const StateDict& a, const StateDict& b) {
  return std::equal(
      a.begin(), a.end(), b.begin(), b.end(), [](const auto& left, const auto& right) {
        return left.first == right.first && left.second.type() == right.second.type() &&
               left.second.shape() == right.second.shape() &&
               left.second.bytes() == right.second.bytes();
      });
}

/// Writes what was read, and reads it again.
void check_rewritten(const StateDict& state) {
  const auto file = scratch_folder() / "again.pt";
  try {
    write_state_dict(file, state);
  } catch (const std::invalid_argument&) {
    return;  // names that begin with "module." twice
  }
  require(is_same(read_state_dict(file), state), "a state dict changed");
}

void score(const Tagger& tagger) {
  constexpr std::size_t kScalars = 64;  // at most
  const std::vector<double> p4{100, 60, 0, 80, 50, 0, 30, 40};
  const std::vector<std::int32_t> pdg_id{211, 22};
  const std::vector<double> scalars(2 * kScalars, 0.5);
  Workspace workspace;
  std::vector<float> probabilities(static_cast<std::size_t>(tagger.classes()));
  for (const auto& jet : {JetView{.p4 = p4}, JetView{.p4 = p4, .pdg_id = pdg_id}})
    tagger.score(jet, probabilities, workspace);
}

bool use_checkpoint(std::string_view bytes) {
  const MemoryFile file(bytes);
  const auto name = file.path().string();
  is_accepted(name, [&] { read_description(file.path()); });
  is_accepted(name, [&] { score(Tagger::open(file.path())); });
  return is_accepted(name, [&] { check_rewritten(read_state_dict(file.path())); });
}

}  // namespace

bool checkpoint(std::string_view bytes) {
  const bool accepted = use_checkpoint(bytes);
  const auto repaired = with_right_checksums(bytes);
  return (repaired != bytes && use_checkpoint(repaired)) || accepted;
}

bool pickle(std::string_view bytes) {
  // Storages: long enough for doubles, 6 elements of 8 bytes, and so on.
  const std::string contents(48, '\1');
  std::vector<std::pair<std::string, std::string_view>> entries{{"archive/data.pkl", bytes},
                                                                {"archive/version", "3\n"}};
  for (const std::size_t size : {48, 24, 16, 8, 4, 2}) {
    entries.emplace_back("archive/data/" + std::to_string(size),
                         std::string_view(contents).substr(0, size));
  }
  return use_checkpoint(zip_bytes(entries));
}

}  // namespace lorentznet::fuzz
