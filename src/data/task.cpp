#include "lorentznet/task.h"

#include <algorithm>

#include "data/constituents.h"
#include "data/jet_cache.h"
#include "data/particles.h"
#include "data/published_networks.h"
#include "lorentznet/error.h"
#include "lorentznet/readers.h"

namespace lorentznet {
namespace {

/// The constituent's own scalars, or its mass if the file has none; then 0: not a beam.
void encode_top(const JetSet& jets, std::int64_t constituent, std::span<double> scalars) {
  const auto given = static_cast<std::size_t>(jets.num_scalars());
  const auto row = static_cast<std::size_t>(constituent);
  encode_top_constituent(&jets.p4[4 * row], {jets.scalars.data() + given * row, given}, scalars);
}

void encode_quark_gluon(const JetSet& jets, std::int64_t constituent, std::span<double> scalars) {
  if (jets.species.empty()) {
    throw InputError("jets: 0 species of " + std::to_string(jets.num_constituents()) +
                     " constituents");
  }
  const auto species = jets.species[static_cast<std::size_t>(constituent)];
  if (species >= kNumSpecies) {
    throw InputError("jets: species " + std::to_string(species) + " of constituent " +
                     std::to_string(constituent) + " is not one of 0 to " +
                     std::to_string(kNumSpecies - 1) + ", or -1");
  }
  encode_species(species, scalars);
}

/// read(files, max_jets, rule), through the cache if the selection says so; adds the jets that were
/// skipped, and the files, to those of `splits`.
template <typename Read>
JetSet read_files(const DataSelection& selection, const std::vector<std::filesystem::path>& files,
                  std::int64_t max_jets, Read read, DataSplits& splits) {
  const CacheKey key{files, max_jets, selection.bad_jets};
  const auto read_them = [&] { return read(files, max_jets, selection.bad_jets); };
  JetSet jets;
  if (selection.checksums) {
    auto [found, read_from] = read_with_checksums(key, read_them, selection.cache, selection.log);
    jets = found;
    splits.files.insert(splits.files.end(), read_from.begin(), read_from.end());
  } else {
    jets = selection.cache ? read_through_cache(key, read_them, selection.log) : read_them();
  }
  splits.skipped.insert(splits.skipped.end(), jets.skipped.begin(), jets.skipped.end());
  return jets;
}

DataSplits read_top_splits(const DataSelection& selection) {
  const auto files = selection.test_only ? find_top_files(selection.datadir, {"test"})
                                         : find_top_files(selection.datadir);
  DataSplits splits;
  const auto read = [&](const auto& of_split, std::int64_t max_jets) {
    return read_files(selection, of_split, max_jets, read_top_split, splits);
  };
  splits.test = read(files.test, -1);
  if (selection.test_only) return splits;
  splits.train = read(files.train, selection.num_train);
  splits.val = read(files.val, -1);
  return splits;
}

DataSplits read_quark_gluon_splits(const DataSelection& selection) {
  DataSplits all;
  const auto jets = read_files(selection, find_quark_gluon_files(selection.datadir),
                               selection.num_data, read_quark_gluon_files, all);
  auto splits = split_by_position(jets);
  if (selection.test_only) splits.train = splits.val = {};
  splits.skipped = all.skipped;
  splits.files = all.files;
  return splits;
}

JetSet read_top_file(const std::filesystem::path& file, const BadJetRule& bad_jets) {
  return read_jets(file, -1, bad_jets);
}

JetSet read_quark_gluon_file(const std::filesystem::path& file, const BadJetRule& bad_jets) {
  return read_quark_gluon_jets(file, -1, bad_jets);
}

std::string top_set_in(const std::filesystem::path& datadir, bool test_only) {
  if (!std::filesystem::exists(datadir)) return "";
  const auto files = find_top_files(datadir, {});
  const bool trains = !files.train.empty() || !files.val.empty();
  return test_only ? files.test.empty() ? "" : "top" : trains ? "top" : "";
}

std::string quark_gluon_set_in(const std::filesystem::path& datadir, bool) {
  return quark_gluon_set(datadir);
}

std::string quark_gluon_set_name(Generator generator, bool with_bc) {
  const std::string name = generator == Generator::kPythia ? "qg-pythia" : "qg-herwig";
  return with_bc ? name + "-bc" : name;
}

}  // namespace

Task top_tagging_of(std::int64_t num_scalars, bool beams) {
  Task task = top_tagging();
  task.n_scalar = std::max<std::int64_t>(num_scalars, 1) + (beams ? 1 : 0);
  task.beam_scalars.clear();
  if (!beams) return task;
  task.beam_scalars.resize(static_cast<std::size_t>(task.n_scalar));
  encode_top_beam(task.beam_scalars);
  return task;
}

const Task& top_tagging() {
  static const Task task{
      .name = "top",
      .title = "Top tagging",
      .n_scalar = 2,
      .beam_scalars = {0, psi_of_mass(1)},
      .pools_over_batch = true,
      .published_n_nodes = kPublishedTop.n_nodes,
      .c_weight = kPublishedTop.c_weight,
      // Of massless four-momenta that are stored as float: rounding.
      .published_masses = MassQuartiles{.lower = 1.5e-4, .median = 2.1e-4, .upper = 2.8e-4},
      .validation_name = "valid",
      .own_flags = {"num_train", "no_beams"},
      .published_sets = {.subfolder = "",
                         .files =
                             "files *.h5, *.hdf5 or *.npz with train, val or test in their names",
                         .on_request = true,
                         .test_file = "test.h5",
                         .network = "top-network",
                         .name = [](Generator, bool) { return std::string("top"); },
                         .found_in = top_set_in},
      .for_scalars = top_tagging_of,
      .encode = encode_top,
      .read_splits = read_top_splits,
      .read_file = read_top_file};
  return task;
}

const Task& quark_gluon_tagging() {
  static const Task task{.name = "qg",
                         .title = "Quark/gluon tagging",
                         .n_scalar = kNumSpecies,
                         .beam_scalars = {},
                         .pools_over_batch = false,
                         .published_n_nodes = kPublishedQuarkGluon.n_nodes,
                         .c_weight = kPublishedQuarkGluon.c_weight,
                         .published_masses = {},
                         .validation_name = "val",
                         .own_flags = {"num_data", "generator", "with_bc"},
                         .published_sets = {.subfolder = "datasets",
                                            .files = "QG_jets.npz, QG_jets_1.npz, ...",
                                            .on_request = false,
                                            .test_file = "",
                                            .network = "qg-network",
                                            .name = quark_gluon_set_name,
                                            .found_in = quark_gluon_set_in},
                         .for_scalars = nullptr,
                         .encode = encode_quark_gluon,
                         .read_splits = read_quark_gluon_splits,
                         .read_file = read_quark_gluon_file};
  return task;
}

}  // namespace lorentznet
