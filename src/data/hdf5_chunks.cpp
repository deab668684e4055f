#include "data/hdf5_chunks.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <functional>
#include <numeric>

namespace lorentznet {
namespace {

struct StoredChunk {
  haddr_t address = HADDR_UNDEF;  ///< in the file
  hsize_t bytes = 0;              ///< in the file
  unsigned skipped_filters = 0;
};

/// Where the chunks of a data set are, and what blosc's headers say, which HDF5 does not read.
class ChunkTable {
 public:
  explicit ChunkTable(const H5::DataSet& dataset) : dataset_(dataset.getId()) {
    H5::H5File file;
    file.setId(H5Iget_file_id(dataset_));
    user_block_ = file.getCreatePlist().getUserblock();
    void* handle = nullptr;
    if (H5Fget_vfd_handle(file.getId(), H5P_DEFAULT, &handle) >= 0) {
      descriptor_ = *static_cast<const int*>(handle);
    }
    file.decRefCount();
  }

  StoredChunk at(const Extents& start) const {
    StoredChunk chunk;
    if (H5Dget_chunk_info_by_coord(dataset_, start.data(), &chunk.skipped_filters, &chunk.address,
                                   &chunk.bytes) < 0) {
      throw H5::DataSetIException("ChunkTable::at", "no chunk");
    }
    return chunk;
  }
  /// The bytes that blosc unpacks from a chunk: byte 4 to 7 of its header, little-endian.
  std::uint64_t unpacked_bytes(const StoredChunk& chunk) const {
    std::array<unsigned char, 8> header{};
    const auto place = static_cast<off_t>(user_block_ + chunk.address);
    const auto got = ::pread(descriptor_, header.data(), header.size(), place);
    if (got != static_cast<ssize_t>(header.size())) return 0;
    return header[4] | header[5] << 8 | header[6] << 16 | std::uint64_t{header[7]} << 24;
  }

 private:
  hid_t dataset_;
  hsize_t user_block_ = 0;
  int descriptor_ = -1;
};

std::string fault(const ChunkTable& table, const StoredChunk& chunk, hsize_t bytes, bool is_blosc) {
  if (chunk.address == HADDR_UNDEF) return "";  // never written: fill values
  if (chunk.skipped_filters != 0) {
    return chunk.bytes >= bytes ? "" : "has an uncompressed chunk that is too short";
  }
  if (!is_blosc || table.unpacked_bytes(chunk) == bytes) return "";
  return "has a compressed chunk of " + std::to_string(table.unpacked_bytes(chunk)) +
         " bytes, expected " + std::to_string(bytes);
}

/// Moves `start` to the next chunk, the last axis first; false after the last chunk.
bool advance(Extents& start, const Extents& chunk, const Extents& begin, const Extents& end) {
  for (std::size_t axis = start.size(); axis-- > 0;) {
    start[axis] += chunk[axis];
    if (start[axis] < end[axis]) return true;
    start[axis] = begin[axis];
  }
  return false;
}

std::size_t chunk_bytes(const H5::DataSet& dataset, const Extents& chunk) {
  return std::accumulate(chunk.begin(), chunk.end(), dataset.getDataType().getSize(),
                         std::multiplies<>());
}

}  // namespace

std::string format_extents(const Extents& extents) {
  std::string text = "[";
  for (const hsize_t extent : extents) {
    text += (text.size() > 1 ? ", " : "") + std::to_string(extent);
  }
  return text + "]";
}

Extents extents_of(const H5::DataSpace& space) {
  Extents extents(std::max(space.getSimpleExtentNdims(), 0));
  if (!extents.empty()) space.getSimpleExtentDims(extents.data());
  return extents;
}

Extents chunk_extents(const H5::DSetCreatPropList& layout, std::size_t axes) {
  Extents extents(axes);
  layout.getChunk(static_cast<int>(axes), extents.data());
  return extents;
}

H5Z_filter_t filter_at(const H5::DSetCreatPropList& layout, int place) {
  unsigned flags = 0, config = 0;
  std::size_t values = 0;
  return layout.getFilter(place, flags, values, nullptr, 0, nullptr, config);
}

H5::DSetAccPropList band_cache(const H5::DataSet& dataset) {
  constexpr std::size_t kLeastBytes = std::size_t{1} << 20, kMostBytes = std::size_t{256} << 20;
  constexpr double kEvictFinishedChunks = 1.0;
  const H5::DSetCreatPropList layout = dataset.getCreatePlist();
  H5::DSetAccPropList access;
  if (layout.getLayout() != H5D_CHUNKED) return access;

  const Extents shape = extents_of(dataset.getSpace());
  const Extents chunk = chunk_extents(layout, shape.size());
  std::size_t chunks = 1;
  for (std::size_t axis = 1; axis < shape.size(); ++axis) {
    chunks *= (shape[axis] + chunk[axis] - 1) / chunk[axis];
  }
  const std::size_t slots = std::clamp<std::size_t>(100 * chunks + 1, 521, 1000003);
  access.setChunkCache(slots,
                       std::clamp(chunks * chunk_bytes(dataset, chunk), kLeastBytes, kMostBytes),
                       kEvictFinishedChunks);
  return access;
}

std::string damaged_chunk(const H5::DataSet& dataset, std::int64_t first, std::int64_t count) {
  const H5::DSetCreatPropList layout = dataset.getCreatePlist();
  const int filters = layout.getLayout() == H5D_CHUNKED ? layout.getNfilters() : 0;
  if (filters == 0 || count <= 0) return "";
  const bool is_blosc = filter_at(layout, filters - 1) == kBloscFilter;

  Extents end = extents_of(dataset.getSpace()), begin(end.size(), 0);
  const Extents chunk = chunk_extents(layout, end.size());
  begin[0] = static_cast<hsize_t>(first) / chunk[0] * chunk[0];
  end[0] = static_cast<hsize_t>(first) + static_cast<hsize_t>(count);
  const ChunkTable table(dataset);
  auto start = begin;
  do {
    const auto reason = fault(table, table.at(start), chunk_bytes(dataset, chunk), is_blosc);
    if (!reason.empty()) return reason;
  } while (advance(start, chunk, begin, end));
  return "";
}

}  // namespace lorentznet
