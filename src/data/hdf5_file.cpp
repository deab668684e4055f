#include "data/hdf5_file.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <functional>
#include <numeric>
#include <utility>

#include "io/message.h"

namespace lorentznet {
namespace {

struct StoredChunk {
  haddr_t address = HADDR_UNDEF;  ///< in the file
  hsize_t bytes = 0;              ///< in the file
  unsigned skipped_filters = 0;
};

/// Reads what the file says of chunks, beside HDF5's own reading.
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
  /// The bytes that blosc will make of a chunk: byte 4 to 7 of its header, little-endian.
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
    return chunk.bytes >= bytes ? "" : "has a chunk that is stored as it is, and too short";
  }
  if (!is_blosc || table.unpacked_bytes(chunk) == bytes) return "";
  return "has a compressed chunk of " + std::to_string(table.unpacked_bytes(chunk)) +
         " bytes, expected " + std::to_string(bytes);
}

/// The next place of a chunk, the last axis first; false behind the last one.
bool advance(Extents& start, const Extents& chunk, const Extents& begin, const Extents& end) {
  for (std::size_t axis = start.size(); axis-- > 0;) {
    start[axis] += chunk[axis];
    if (start[axis] < end[axis]) return true;
    start[axis] = begin[axis];
  }
  return false;
}

std::int64_t product(const std::vector<hsize_t>& values) {
  return std::accumulate(values.begin(), values.end(), std::int64_t{1}, std::multiplies<>());
}

/// Chunk cache that holds one band of chunks (all those that share rows), so that reading by rows
/// unpacks every chunk once. HDF5's own default is 1 MiB; h5py's chunks of a padded jet array are
/// thousands of rows high and a few columns wide.
H5::DSetAccPropList band_cache(const H5::DataSet& dataset) {
  constexpr std::size_t most_bytes = std::size_t{256} << 20;
  const H5::DSetCreatPropList layout = dataset.getCreatePlist();
  H5::DSetAccPropList access;
  if (layout.getLayout() != H5D_CHUNKED) return access;

  const Extents shape = extents_of(dataset.getSpace());
  const Extents chunk = chunk_extents(layout, shape.size());
  std::size_t chunks = 1;
  for (std::size_t axis = 1; axis < shape.size(); ++axis) {
    chunks *= (shape[axis] + chunk[axis] - 1) / chunk[axis];
  }
  const std::size_t bytes = chunks * product(chunk) * dataset.getDataType().getSize();
  const std::size_t slots = std::clamp<std::size_t>(100 * chunks + 1, 521, 1000003);
  constexpr double evict_finished_chunks = 1.0;
  access.setChunkCache(slots, std::clamp<std::size_t>(bytes, std::size_t{1} << 20, most_bytes),
                       evict_finished_chunks);
  return access;
}

/// HDF5 looks for plugins in the folders of HDF5_PLUGIN_PATH, where that is set, alone: other
/// programs set it for theirs. So the folder that comes with this HDF5 is added.
void add_plugin_folder() {
  static const bool added = [] {
    const std::filesystem::path folder = LORENTZNET_HDF5_PLUGINS;
    if (std::getenv("HDF5_PLUGIN_PATH") == nullptr || !std::filesystem::exists(folder))
      return false;
    return H5PLappend(folder.c_str()) >= 0;
  }();
  static_cast<void>(added);
}

/// What a user can do about a failed opening, where that is known.
std::string way_out(const std::string& reason) {
  if (reason.find("unable to lock file") == std::string::npos) return "";
  return " (another program is writing to the file, or its file system knows no locks: then set "
         "HDF5_USE_FILE_LOCKING=FALSE in the environment)";
}

}  // namespace

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

std::string damaged_chunk(const H5::DataSet& dataset, std::int64_t first, std::int64_t count) {
  const H5::DSetCreatPropList layout = dataset.getCreatePlist();
  const int filters = layout.getLayout() == H5D_CHUNKED ? layout.getNfilters() : 0;
  if (filters == 0 || count <= 0) return "";
  const bool is_blosc = filter_at(layout, filters - 1) == kBloscFilter;

  Extents end = extents_of(dataset.getSpace()), begin(end.size(), 0);
  const Extents chunk = chunk_extents(layout, end.size());
  begin[0] = static_cast<hsize_t>(first) / chunk[0] * chunk[0];
  end[0] = static_cast<hsize_t>(first) + static_cast<hsize_t>(count);
  const auto bytes = std::accumulate(chunk.begin(), chunk.end(), dataset.getDataType().getSize(),
                                     std::multiplies<>());
  const ChunkTable table(dataset);
  auto start = begin;
  do {
    const auto reason = fault(table, table.at(start), bytes, is_blosc);
    if (!reason.empty()) return reason;
  } while (advance(start, chunk, begin, end));
  return "";
}

std::string hdf5_reason() {
  std::string reason;
  const auto keep_first = [](unsigned, const H5E_error2_t* error, void* out) -> herr_t {
    auto& text = *static_cast<std::string*>(out);
    if (text.empty() && error->desc != nullptr) text = error->desc;
    return 0;
  };
  H5::Exception::walkErrorStack(H5E_WALK_UPWARD, keep_first, &reason);
  std::replace(reason.begin(), reason.end(), '\n', ' ');
  return reason.empty() ? "no reason given" : reason;
}

SilencedHdf5Errors::SilencedHdf5Errors() {
  // HDF5 would complain at the program's end of what it could not close of a damaged file.
  static const auto once =
      std::atexit([] { H5Eset_auto2(H5E_DEFAULT, nullptr, nullptr); });  // on the main thread
  static_cast<void>(once);
  H5::Exception::getAutoPrint(print_, &print_data_);
  H5::Exception::dontPrint();
}

SilencedHdf5Errors::~SilencedHdf5Errors() {
  try {
    H5::Exception::setAutoPrint(print_, print_data_);
  } catch (const H5::Exception&) {
    // Only the printing of later errors would be lost.
  }
}

Hdf5Dataset::Hdf5Dataset(const H5::H5File& file, const std::string& file_name,
                         const std::string& name)
    : file_name_(file_name), name_(name) {
  try {
    open(file);
  } catch (const H5::Exception&) {
    fail("cannot be opened: " + hdf5_reason());
  }
  require_filters();
}

void Hdf5Dataset::open(const H5::H5File& file) {
  if (file.childObjType(name_) != H5O_TYPE_DATASET) fail("is not a data set");
  dataset_ = file.openDataSet(name_);
  // A damaged size would make HDF5 take memory for such numbers.
  constexpr std::size_t most_bytes = 16;
  const auto type = dataset_.getTypeClass();
  const auto size = dataset_.getDataType().getSize();
  if ((type == H5T_FLOAT || type == H5T_INTEGER) && size > most_bytes) {
    fail("holds numbers of " + std::to_string(size) + " bytes");
  }
  const Extents extents = extents_of(dataset_.getSpace());
  shape_.assign(extents.begin(), extents.end());
  if (extents.empty()) return;
  const H5::DSetAccPropList access = band_cache(dataset_);
  dataset_.close();  // else both handles would share the cache that the first one has
  dataset_ = file.openDataSet(name_, access);
}

void Hdf5Dataset::require_filters() const {
  const H5::DSetCreatPropList layout = dataset_.getCreatePlist();
  for (int place = 0; place < layout.getNfilters(); ++place) {
    const H5Z_filter_t filter = filter_at(layout, place);
    if (H5Zfilter_avail(filter) > 0) continue;
    fail(filter == kBloscFilter
             ? "is compressed with blosc (HDF5 filter 32001), whose plugin HDF5 does not find: "
               "install the Debian package hdf5-filter-plugin-blosc-serial, or name the folder of "
               "another build of that plugin in HDF5_PLUGIN_PATH"
             : "is compressed with HDF5 filter " + std::to_string(filter) +
                   ", whose plugin HDF5 does not find");
  }
}

void Hdf5Dataset::read_rows(std::int64_t first, std::int64_t count, const H5::DataType& memory_type,
                            void* values) const {
  const SilencedHdf5Errors silenced;  // of this thread, where HDF5 keeps them by thread
  std::vector<hsize_t> start(shape_.size(), 0);
  std::vector<hsize_t> extent(shape_.begin(), shape_.end());
  start.at(0) = static_cast<hsize_t>(first);
  extent.at(0) = static_cast<hsize_t>(count);
  try {
    const auto reason = damaged_chunk(dataset_, first, count);
    if (!reason.empty()) fail(reason);
    H5::DataSpace in_file = dataset_.getSpace();
    in_file.selectHyperslab(H5S_SELECT_SET, extent.data(), start.data());
    const H5::DataSpace in_memory(static_cast<int>(extent.size()), extent.data());
    dataset_.read(values, memory_type, in_memory, in_file);
  } catch (const H5::Exception&) {
    fail("jets " + std::to_string(first) + " to " + std::to_string(first + count - 1) +
         " (counted from 0) cannot be read: " + hdf5_reason());
  }
}

void Hdf5Dataset::fail(const std::string& reason) const {
  throw_file_error(file_name_, "data set '" + name_ + "' " + reason);
}

Hdf5File::Hdf5File(const std::filesystem::path& path) : name_(path.string()) {
  if (!std::filesystem::exists(path)) throw_file_error(name_, "no such file");
  if (!std::filesystem::is_regular_file(path)) throw_file_error(name_, "not a file");
  add_plugin_folder();
  try {
    if (!H5::H5File::isHdf5(name_)) throw_file_error(name_, "not an HDF5 file");
    file_.openFile(name_, H5F_ACC_RDONLY);
  } catch (const H5::Exception&) {
    const std::string reason = hdf5_reason();
    throw_file_error(name_, "cannot be opened as HDF5: " + reason + way_out(reason));
  }
}

bool Hdf5File::has(const std::string& object) const {
  // HDF5 wants every group on the way to be there before it looks into it.
  for (std::size_t end = object.find('/');; end = object.find('/', end + 1)) {
    if (!file_.nameExists(object.substr(0, end))) return false;
    if (end == std::string::npos) return true;
  }
}

std::vector<std::string> Hdf5File::names() const {
  std::vector<std::string> names;
  for (hsize_t place = 0; place < file_.getNumObjs(); ++place) {
    names.push_back(file_.getObjnameByIdx(place));
  }
  return names;
}

std::string Hdf5File::contents() const { return list_in_quotes(names()); }

Hdf5Dataset Hdf5File::dataset(const std::string& name) const {
  return Hdf5Dataset(file_, name_, name);
}

}  // namespace lorentznet
