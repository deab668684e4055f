#include "data/quark_gluon_jets.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <limits>
#include <map>
#include <optional>
#include <stdexcept>
#include <string>

#include "data/jet_builder.h"
#include "data/layout.h"
#include "data/particles.h"
#include "io/file.h"
#include "io/message.h"
#include "lorentznet/readers.h"

namespace lorentznet {
namespace {

using Path = std::filesystem::path;

/// |PDG id| of a constituent; the file stores it as a floating-point number.
int read_abs_pdg_id(const JetBuilder& builder, std::int64_t column, double value) {
  const double size = std::abs(value);
  if (!(size <= std::numeric_limits<int>::max()) || size != std::floor(size)) {
    builder.fail("PDG id " + format_number(value) + " in column " + std::to_string(column) +
                 " is not an integer");
  }
  return static_cast<int>(size);
}

/// Mass [GeV] of the particle in `column`. Id 0 is in the table, but means an empty slot.
double require_mass(const JetBuilder& builder, std::int64_t column, int abs_pdg_id, double pdg_id) {
  const std::optional<double> mass = particle_mass(abs_pdg_id);
  if (abs_pdg_id == 0 || !mass) {
    builder.fail("unknown PDG id " + format_number(pdg_id) + " in column " +
                 std::to_string(column));
  }
  return *mass;
}

void append_constituent(JetBuilder& builder, std::int64_t column, const double* row) {
  const double pt = row[0];
  const double pdg_id = row[3];
  if (!std::all_of(row, row + 3, [](double value) { return std::isfinite(value); })) {
    builder.fail("(pT, y, phi) = (" + format_number(pt) + ", " + format_number(row[1]) + ", " +
                 format_number(row[2]) + ") in column " + std::to_string(column) +
                 " is not finite");
  }
  if (!(pt > 0)) {
    builder.fail("pT " + format_number(pt) + " GeV in column " + std::to_string(column) +
                 ", which is not empty, is not positive");
  }
  const int abs_pdg_id = read_abs_pdg_id(builder, column, pdg_id);
  const double mass = require_mass(builder, column, abs_pdg_id, pdg_id);
  const std::array<double, 4> p4 = four_momentum(pt, row[1], row[2], mass);
  builder.add_constituent(column, p4.data(), species_index(abs_pdg_id));
}

/// Nothing if the file holds particles alone. Any other array may be misspelt labels.
std::optional<std::vector<double>> labels_of(const ArrayFile& file, std::int64_t num_jets) {
  if (file.has("y")) return numbers_of_jets(file, "y", num_jets);
  if (file.names().size() == 1) return std::nullopt;
  throw_file_error(file.name(), "no array 'y'; the file holds " + list_in_quotes(file.names()) +
                                    ", and only one of 'X' alone is read without labels");
}

/// A published set and the names of its files, without ".npz".
struct Family {
  const char* set;
  const char* first;   ///< of file 0, if it has no number
  const char* prefix;  ///< before the number
};

constexpr std::array<Family, 4> kFamilies{{
    {"qg-pythia", "QG_jets", "QG_jets_"},
    {"qg-pythia-bc", "", "QG_jets_withbc_"},
    {"qg-herwig", "", "QG_jets_herwig_"},
    {"qg-herwig-bc", "", "QG_jets_herwig_withbc_"},
}};

/// k for "PREFIXk", 0 for a first file without a number, nothing for other names.
std::optional<std::int64_t> index_of(const std::string& stem, const Family& family) {
  const bool first_has_number = *family.first == '\0';
  if (!first_has_number && stem == family.first) return 0;
  const std::string prefix = family.prefix;
  if (!stem.starts_with(prefix)) return std::nullopt;
  const char* begin = stem.data() + prefix.size();
  const char* end = stem.data() + stem.size();
  std::int64_t index = 0;
  const auto [parsed, error] = std::from_chars(begin, end, index);
  // "QG_jets_01" would be a second file 1.
  const bool leading_zero = begin != end && *begin == '0' && end - begin > 1;
  if (error != std::errc() || parsed != end || leading_zero) return std::nullopt;
  if (index < (first_has_number ? 0 : 1)) return std::nullopt;
  return index;
}

/// The files of a set, by number.
std::vector<Path> files_of(const std::vector<Path>& files, const Family& family) {
  std::map<std::int64_t, Path> by_index;
  for (const Path& file : files) {
    if (const auto index = index_of(file.stem().string(), family)) by_index[*index] = file;
  }
  std::vector<Path> ordered;
  for (const auto& [index, file] : by_index) ordered.push_back(file);
  return ordered;
}

/// The set that the files belong to; null if there is none. Pythia's take precedence, as in the
/// published program.
const Family* find_family(const Path& folder, const std::vector<Path>& files) {
  const Family* found = nullptr;
  for (const Family& family : kFamilies) {
    if (files_of(files, family).empty()) continue;
    if (found == &kFamilies[0]) continue;
    if (found != nullptr) {
      throw_file_error(folder.string(), std::string("files of ") + found->set + " and of " +
                                            family.set + ": give each set a folder of its own");
    }
    found = &family;
  }
  return found;
}

Path datasets_of(const Path& datadir) { return datadir / "datasets"; }

}  // namespace

void append_quark_gluon_jet(JetBuilder& builder, const double* constituents, std::int64_t width,
                            std::optional<double> label) {
  for (std::int64_t column = 0; column < width; ++column) {
    const double* row = constituents + 4 * column;
    const bool empty = std::all_of(row, row + 4, [](double value) { return value == 0; });
    if (!empty) append_constituent(builder, column, row);
  }
  label ? builder.end_jet(*label) : builder.end_jet_without_label();
}

JetSet read_quark_gluon_jets(const ArrayFile& file, std::int64_t max_jets, const BadJetRule& rule) {
  if (!file.has("X")) {
    throw_file_error(file.name(), "no array 'X'; the file holds " + list_in_quotes(file.names()));
  }
  const auto rows = particle_rows(file);
  const std::int64_t num_jets = rows->shape()[0];
  const std::int64_t width = rows->shape()[1];
  const auto labels = labels_of(file, num_jets);
  using Block = std::vector<double>;
  return read_in_blocks<Block>(
      JetBuilder(file.name(), jets_to_read(num_jets, max_jets), rule),
      std::max<std::int64_t>(kValuesInBlock / (4 * width), 1),
      [&](std::int64_t, std::int64_t count, Block& block) { rows->read(count, block); },
      [&](JetBuilder& builder, const Block& block, std::int64_t row, std::int64_t place) {
        append_quark_gluon_jet(builder, &block[4 * width * place], width,
                               labels ? std::optional((*labels)[row]) : std::nullopt);
      });
}

JetSet read_quark_gluon_jets(const Path& path, std::int64_t max_jets, const BadJetRule& rule) {
  return read_quark_gluon_jets(*open_npz_file(path), max_jets, rule);
}

std::string quark_gluon_set(const Path& datadir) {
  const Path folder = datasets_of(datadir);
  if (!std::filesystem::exists(folder)) return "";
  const Family* family = find_family(folder, list_files(folder, {".npz"}));
  return family == nullptr ? "" : family->set;
}

std::vector<Path> find_quark_gluon_files(const Path& datadir) {
  const Path folder = datasets_of(datadir);
  const std::vector<Path> files = list_files(folder, {".npz"});
  const Family* family = find_family(folder, files);
  if (family != nullptr) return files_of(files, *family);
  throw_file_error(folder.string(), "neither QG_jets.npz nor QG_jets_1.npz, QG_jets_2.npz, ...; " +
                                        describe_files(files));
}

JetSet read_quark_gluon_files(const std::vector<Path>& files, std::int64_t max_jets,
                              const BadJetRule& rule) {
  if (files.empty()) throw std::invalid_argument("no files to read jets from");
  JetSet jets;
  for (const Path& file : files) {
    const std::int64_t wanted =
        max_jets < 0 ? max_jets
                     : max_jets - jets.num_jets() - static_cast<std::int64_t>(jets.skipped.size());
    if (wanted == 0) break;
    jets.append(read_quark_gluon_jets(file, wanted, rule));
  }
  return jets;
}

DataSplits split_by_position(const JetSet& jets) {
  const std::int64_t num_jets = jets.num_jets();
  const std::int64_t num_train = num_jets * 8 / 10;
  const std::int64_t num_tenth = num_jets / 10;
  return {.train = jets.slice(0, num_train),
          .val = jets.slice(num_jets - num_tenth, num_tenth),
          .test = jets.slice(num_train, num_tenth)};
}

}  // namespace lorentznet
