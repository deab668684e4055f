#include "data/layout.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "data/array_file.h"
#include "data/hdf5_file.h"
#include "data/particles.h"
#include "data/top_jets.h"
#include "io/message.h"
#include "io/npz.h"
#include "lorentznet/readers.h"

namespace lorentznet {
namespace {

bool is_pdg_id(double value) {
  const double size = std::abs(value);
  return size <= std::numeric_limits<int>::max() && size == std::floor(size) &&
         particle_mass(static_cast<int>(size)).has_value();
}

bool has_pdg_ids(const NpzReader& file) {
  constexpr std::int64_t jets_looked_at = 100;
  NpyRows rows = file.rows("X");
  const auto& shape = rows.header().shape;
  if (shape.size() != 3 || shape[2] != 4) return false;
  std::vector<double> values;
  rows.read(jets_looked_at, values);
  bool any = false;
  for (std::size_t place = 3; place < values.size(); place += 4) {
    if (!is_pdg_id(values[place])) return false;
    any = any || values[place] != 0;
  }
  return any;
}

FileLayout layout_of_npz(const std::filesystem::path& path) {
  const NpzReader file(path);
  if (!file.has("X")) {
    throw_file_error(path.string(), "no array 'X', so it holds no jets");
  }
  for (const char* own : {"scalars", "weight", "id"}) {
    if (file.has(own)) return FileLayout::kOwn;
  }
  return file.has("y") && has_pdg_ids(file) ? FileLayout::kQuarkGluon : FileLayout::kOwn;
}

std::string storage_of(const Hdf5Dataset& dataset) {
  const H5::DSetCreatPropList list = dataset.handle().getCreatePlist();
  if (list.getLayout() != H5D_CHUNKED) return "not compressed";
  std::string filters;
  for (int place = 0; place < list.getNfilters(); ++place) {
    unsigned flags = 0, config = 0;
    std::size_t num_values = 0;
    const H5Z_filter_t filter =
        list.getFilter(place, flags, num_values, nullptr, 0, nullptr, config);
    if (!filters.empty()) filters += ", ";
    switch (filter) {
      case H5Z_FILTER_DEFLATE:
        filters += "gzip";
        break;
      case H5Z_FILTER_SHUFFLE:
        filters += "shuffle";
        break;
      case H5Z_FILTER_FLETCHER32:
        filters += "checksum";
        break;
      case 32001:
        filters += "blosc";
        break;
      default:
        filters += "filter " + std::to_string(filter);
    }
  }
  std::vector<hsize_t> chunk(dataset.shape().size());
  list.getChunk(static_cast<int>(chunk.size()), chunk.data());
  return (filters.empty() ? "not compressed" : filters) + ", chunks " +
         format_shape({chunk.begin(), chunk.end()});
}

std::string type_of(const Hdf5Dataset& dataset) {
  const auto size = std::to_string(dataset.handle().getDataType().getSize());
  switch (dataset.handle().getTypeClass()) {
    case H5T_FLOAT:
      return "f" + size;
    case H5T_INTEGER:
      return (dataset.handle().getIntType().getSign() == H5T_SGN_NONE ? "u" : "i") + size;
    case H5T_COMPOUND:
      return "table, rows of " + size + " bytes";
    default:
      return "other";
  }
}

std::vector<StoredArray> arrays_of_hdf5(const std::filesystem::path& path) {
  const Hdf5File file(path);
  return catch_hdf5_errors(file.name(), [&] {
    std::vector<StoredArray> arrays;
    auto names = file.names();
    if (file.has("table/table")) names = {"table/table"};
    for (const auto& name : names) {
      const Hdf5Dataset dataset = file.dataset(name);
      arrays.push_back({name, dataset.shape(), type_of(dataset), storage_of(dataset)});
    }
    return arrays;
  });
}

std::vector<StoredArray> arrays_of_npz(const std::filesystem::path& path) {
  const NpzReader file(path);
  std::vector<StoredArray> arrays;
  for (const auto& name : file.names()) {
    const NpyHeader header = file.header(name);
    const bool fortran = header.fortran_order && header.shape.size() > 1;
    arrays.push_back({name, header.shape, header.descr.substr(1),
                      std::string(file.is_compressed(name) ? "deflated" : "stored") +
                          (fortran ? ", Fortran order" : "")});
  }
  return arrays;
}

}  // namespace

FileLayout layout_of(const std::filesystem::path& path) {
  if (is_zip_file(path)) return layout_of_npz(path);
  const Hdf5File file(path);
  return catch_hdf5_errors(file.name(), [&] {
    if (file.has("X")) return FileLayout::kOwn;
    static_cast<void>(open_top_layout(file));
    return file.has("table/table") ? FileLayout::kTopTable : FileLayout::kTopConverted;
  });
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

JetSet read_jets_of(const std::filesystem::path& file, FileLayout layout, const BadJetRule& rule) {
  if (layout == FileLayout::kQuarkGluon) return read_quark_gluon_jets(file, -1, rule);
  if (layout == FileLayout::kOwn) return read_own_jets(file, -1, rule);
  return read_top_jets(file, -1, rule);
}

std::vector<StoredArray> stored_arrays(const std::filesystem::path& path) {
  return is_zip_file(path) ? arrays_of_npz(path) : arrays_of_hdf5(path);
}

}  // namespace lorentznet
