#include "data/hdf5_file.h"

#include <algorithm>
#include <cstdlib>
#include <limits>
#include <new>
#include <span>
#include <utility>

#include "data/hdf5_chunks.h"
#include "io/message.h"
#include "io/sizes.h"

namespace lorentznet {
namespace {

/// HDF5 looks for plugins in its own folder, but where HDF5_PLUGIN_PATH is set only in the folders
/// of that, which may belong to another program. This adds the folder of this HDF5.
void add_plugin_folder() {
  static const bool added = [] {
    const std::filesystem::path folder = LORENTZNET_HDF5_PLUGINS;
    if (std::getenv("HDF5_PLUGIN_PATH") == nullptr || !std::filesystem::exists(folder))
      return false;
    return H5PLappend(folder.c_str()) >= 0;
  }();
  static_cast<void>(added);
}

/// What the user can do about a file that could not be opened, if that is known.
std::string advice(const std::string& reason) {
  if (reason.find("unable to lock file") == std::string::npos) return "";
  return " (either another program is writing to the file, or its file system has no locks; in "
         "that case set HDF5_USE_FILE_LOCKING=FALSE in the environment)";
}

class Hdf5Rows : public ArrayRows {
 public:
  explicit Hdf5Rows(Hdf5Dataset dataset) : dataset_(std::move(dataset)) {
    const H5T_class_t type = dataset_.type_class();
    const bool is_number = type == H5T_FLOAT || type == H5T_INTEGER || dataset_.holds_booleans();
    if (!is_number) dataset_.fail("does not hold numbers");
    if (dataset_.shape().empty()) dataset_.fail("is a single value");
    row_size_ = checked_product(std::span(dataset_.shape()).subspan(1)).value();
  }
  const std::vector<std::int64_t>& shape() const override { return dataset_.shape(); }
  void read(std::int64_t count, std::vector<double>& values) override {
    resize(values, count * row_size_);
    dataset_.read_rows(first_, count, H5::PredType::NATIVE_DOUBLE, values.data());
    first_ += count;
  }

 private:
  /// A damaged file may announce more than there is memory for.
  void resize(std::vector<double>& values, std::int64_t size) const {
    constexpr std::int64_t kMostNumbers = std::int64_t{1} << 37;  // 1 TiB
    try {
      if (size > kMostNumbers) throw std::bad_alloc();
      values.resize(static_cast<std::size_t>(size));
    } catch (const std::bad_alloc&) {
      dataset_.fail("has shape " + format_shape(shape()) + ": there is no memory for " +
                    std::to_string(size) + " numbers");
    }
  }

  Hdf5Dataset dataset_;
  std::int64_t row_size_ = 1;
  std::int64_t first_ = 0;
};

std::vector<std::int64_t> read_integers(const Hdf5Dataset& dataset) {
  if (dataset.type_class() != H5T_INTEGER) dataset.fail("does not hold integers");
  if (dataset.shape().size() != 1) dataset.fail("is not a list");
  std::vector<std::int64_t> values(dataset.rows());
  if (values.empty()) return values;
  dataset.read_rows(0, dataset.rows(), H5::PredType::NATIVE_INT64, values.data());
  // HDF5 replaces a larger number by the largest of int64.
  const bool is_unsigned = dataset.handle().getIntType().getSign() == H5T_SGN_NONE;
  const auto largest = std::numeric_limits<std::int64_t>::max();
  if (is_unsigned && std::find(values.begin(), values.end(), largest) != values.end()) {
    dataset.fail("holds integers of 2^63 or more");
  }
  return values;
}

std::string type_of(const Hdf5Dataset& dataset) {
  const auto size = std::to_string(dataset.handle().getDataType().getSize());
  switch (dataset.type_class()) {
    case H5T_FLOAT:
      return "f" + size;
    case H5T_INTEGER:
      return (dataset.handle().getIntType().getSign() == H5T_SGN_NONE ? "u" : "i") + size;
    case H5T_COMPOUND:
      return "table, rows of " + size + " bytes";
    case H5T_ENUM:
      return dataset.holds_booleans() ? "bool" : "enumeration";
    default:
      return "other";
  }
}

std::string filter_name(H5Z_filter_t filter) {
  switch (filter) {
    case H5Z_FILTER_DEFLATE:
      return "gzip";
    case H5Z_FILTER_SHUFFLE:
      return "shuffle";
    case H5Z_FILTER_FLETCHER32:
      return "checksum";
    case kBloscFilter:
      return "blosc";
    default:
      return "filter " + std::to_string(filter);
  }
}

std::string storage_of(const Hdf5Dataset& dataset) {
  const H5::DSetCreatPropList list = dataset.handle().getCreatePlist();
  if (list.getLayout() != H5D_CHUNKED) return "not compressed";
  std::string filters;
  for (int place = 0; place < list.getNfilters(); ++place) {
    filters += (place > 0 ? ", " : "") + filter_name(filter_at(list, place));
  }
  const Extents chunk = chunk_extents(list, dataset.shape().size());
  return (filters.empty() ? "not compressed" : filters) + ", chunks " + format_extents(chunk);
}

}  // namespace

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
  // At the program's end HDF5 would print what it could not close of a damaged file.
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
  // HDF5 would allocate numbers of whatever size a damaged file says.
  constexpr std::size_t kMostBytes = 16;
  const auto type = type_class();
  const auto size = dataset_.getDataType().getSize();
  if ((type == H5T_FLOAT || type == H5T_INTEGER) && size > kMostBytes) {
    fail("holds numbers of " + std::to_string(size) + " bytes");
  }
  const Extents extents = extents_of(dataset_.getSpace());
  shape_.assign(extents.begin(), extents.end());
  if (!checked_product(shape_)) {
    fail("has shape " + format_extents(extents) + ", expected at most " +
         std::to_string(kMaxElements) + " elements");
  }
  if (extents.empty()) return;
  const H5::DSetAccPropList access = band_cache(dataset_);
  dataset_.close();  // otherwise both handles would share the first one's cache
  dataset_ = file.openDataSet(name_, access);
}

bool Hdf5Dataset::holds_booleans() const {
  if (type_class() != H5T_ENUM) return false;
  const H5::EnumType type = dataset_.getEnumType();
  if (type.getNmembers() != 2 || type.getSize() != sizeof(std::int8_t)) return false;
  for (const auto& [name, expected] : {std::pair("FALSE", 0), std::pair("TRUE", 1)}) {
    std::int8_t value = -1;
    if (H5Tget_member_index(type.getId(), name) < 0) return false;
    type.getMemberValue(static_cast<unsigned>(type.getMemberIndex(name)), &value);
    if (value != expected) return false;
  }
  return true;
}

void Hdf5Dataset::require_filters() const {
  const H5::DSetCreatPropList layout = dataset_.getCreatePlist();
  for (int place = 0; place < layout.getNfilters(); ++place) {
    const H5Z_filter_t filter = filter_at(layout, place);
    if (H5Zfilter_avail(filter) > 0) continue;
    fail(filter == kBloscFilter
             ? "is compressed with blosc (HDF5 filter 32001), whose plugin HDF5 cannot find: "
               "install the Debian package hdf5-filter-plugin-blosc-serial, or set "
               "HDF5_PLUGIN_PATH to the folder of another build of that plugin"
             : "is compressed with HDF5 filter " + std::to_string(filter) +
                   ", whose plugin HDF5 cannot find");
  }
}

void Hdf5Dataset::read_rows(std::int64_t first, std::int64_t count, const H5::DataType& memory_type,
                            void* values) const {
  const SilencedHdf5Errors silenced;  // in this thread: a threaded HDF5 keeps errors by thread
  Extents start(shape_.size(), 0);
  Extents extent(shape_.begin(), shape_.end());
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
  throw_file_error(file_name_, "data set " + in_quotes(name_) + " " + reason);
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
    throw_file_error(name_, "cannot be opened as HDF5: " + reason + advice(reason));
  }
}

bool Hdf5File::has(const std::string& object) const {
  return catch_hdf5_errors(name_, [&] {
    // HDF5 can look up a path only if all of its groups exist.
    for (std::size_t end = object.find('/');; end = object.find('/', end + 1)) {
      if (!file_.nameExists(object.substr(0, end))) return false;
      if (end == std::string::npos) return true;
    }
  });
}

std::vector<std::string> Hdf5File::names() const {
  return catch_hdf5_errors(name_, [&] {
    std::vector<std::string> names;
    for (hsize_t place = 0; place < file_.getNumObjs(); ++place) {
      names.push_back(file_.getObjnameByIdx(place));
    }
    return names;
  });
}

StoredArray Hdf5File::describe(const std::string& array) const {
  return catch_hdf5_errors(name_, [&] {
    const Hdf5Dataset stored = dataset(array);
    return StoredArray{array, stored.shape(), type_of(stored), storage_of(stored)};
  });
}

std::unique_ptr<ArrayRows> Hdf5File::rows(const std::string& array) const {
  return catch_hdf5_errors(name_, [&] { return std::make_unique<Hdf5Rows>(dataset(array)); });
}

std::vector<std::int64_t> Hdf5File::integers(const std::string& array) const {
  return catch_hdf5_errors(name_, [&] { return read_integers(dataset(array)); });
}

}  // namespace lorentznet
