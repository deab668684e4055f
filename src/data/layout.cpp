#include "data/layout.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "data/particles.h"
#include "io/message.h"
#include "lorentznet/readers.h"

namespace lorentznet {
namespace {

constexpr const char* kTable = "table/table";

bool has_any(const ArrayFile& file, std::initializer_list<const char*> names) {
  return std::any_of(names.begin(), names.end(), [&](const char* name) { return file.has(name); });
}

bool is_pdg_id(double value) {
  const double size = std::abs(value);
  return size <= std::numeric_limits<int>::max() && size == std::floor(size) &&
         particle_mass(static_cast<int>(size)).has_value();
}

bool has_pdg_ids(const ArrayFile& file) {
  constexpr std::int64_t kMostJets = 100;
  const auto rows = file.rows("X");
  const auto& shape = rows->shape();
  if (shape.size() != 3 || shape[2] != 4) return false;
  std::vector<double> values;
  rows->read(std::min(shape[0], kMostJets), values);
  bool any = false;
  for (std::size_t place = 3; place < values.size(); place += 4) {
    if (!is_pdg_id(values[place])) return false;
    any = any || values[place] != 0;
  }
  return any;
}

}  // namespace

FileLayout layout_of(const ArrayFile& file) {
  if (file.has("X")) return FileLayout::kOwn;
  const std::string contents = "; the file holds " + list_in_quotes(file.names());
  if (file.hdf5() == nullptr) throw_file_error(file.name(), "no array 'X'" + contents);
  if (file.has(kTable)) return FileLayout::kTopTable;
  if (has_any(file, {"Nobj", "Pmu", "label", "is_signal"})) return FileLayout::kTopConverted;
  throw_file_error(file.name(),
                   "neither the data sets Nobj, Pmu, label and is_signal, nor X, nor the table "
                   "/table/table" +
                       contents);
}

FileLayout probable_layout_of(const ArrayFile& file) {
  const FileLayout layout = layout_of(file);
  const bool may_be_quark_gluon = layout == FileLayout::kOwn && file.hdf5() == nullptr &&
                                  !has_any(file, {"scalars", "weight", "id"});
  return may_be_quark_gluon && has_pdg_ids(file) ? FileLayout::kQuarkGluon : layout;
}

std::string describe(FileLayout layout) {
  switch (layout) {
    case FileLayout::kTopConverted:
      return "top jets, converted";
    case FileLayout::kTopTable:
      return "top jets, as published (pandas table)";
    case FileLayout::kQuarkGluon:
      return "quark/gluon jets (EnergyFlow)";
    case FileLayout::kOwn:
      break;
  }
  return "own jets";
}

JetSet read_jets(const ArrayFile& file, FileLayout layout, std::int64_t max_jets,
                 const BadJetRule& rule) {
  switch (layout) {
    case FileLayout::kQuarkGluon:
      return read_quark_gluon_jets(file, max_jets, rule);
    case FileLayout::kTopConverted:
    case FileLayout::kTopTable:
      return read_top_jets(*file.hdf5(), layout == FileLayout::kTopTable, max_jets, rule);
    case FileLayout::kOwn:
      break;
  }
  return read_own_jets(file, max_jets, rule);
}

JetSet read_jets(const std::filesystem::path& path, std::int64_t max_jets, const BadJetRule& rule) {
  const auto file = open_array_file(path);
  return read_jets(*file, layout_of(*file), max_jets, rule);
}

std::vector<StoredArray> stored_arrays(const ArrayFile& file) {
  if (file.hdf5() != nullptr && file.has(kTable)) return {file.describe(kTable)};
  std::vector<StoredArray> arrays;
  for (const auto& name : file.names()) arrays.push_back(file.describe(name));
  return arrays;
}

}  // namespace lorentznet
