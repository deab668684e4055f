#include "data/array_file.h"

#include <array>
#include <limits>
#include <string_view>
#include <utility>

#include "data/hdf5_file.h"
#include "io/file.h"
#include "io/message.h"
#include "io/npz.h"

namespace lorentznet {
namespace {

class NpzRows : public ArrayRows {
 public:
  explicit NpzRows(NpyRows rows) : rows_(std::move(rows)) {}
  const std::vector<std::int64_t>& shape() const override { return rows_.header().shape; }
  bool is_floating_point() const override {
    return rows_.header().descr.find('f') != std::string::npos;
  }
  void read(std::int64_t count, std::vector<double>& values) override { rows_.read(count, values); }

 private:
  NpyRows rows_;
};

class NpzArrayFile : public ArrayFile {
 public:
  explicit NpzArrayFile(const std::filesystem::path& path) : file_(path), name_(path.string()) {}

  const std::string& name() const override { return name_; }
  bool has(const std::string& array) const override { return file_.has(array); }
  std::vector<std::string> names() const override { return file_.names(); }
  std::unique_ptr<ArrayRows> rows(const std::string& array) const override {
    return std::make_unique<NpzRows>(file_.rows(array));
  }
  std::vector<std::int64_t> integers(const std::string& array) const override {
    return file_.read_integers(array);
  }

 private:
  NpzReader file_;
  std::string name_;
};

class Hdf5Rows : public ArrayRows {
 public:
  explicit Hdf5Rows(Hdf5Dataset dataset) : dataset_(std::move(dataset)) {
    const H5T_class_t type = dataset_.handle().getTypeClass();
    if (type != H5T_FLOAT && type != H5T_INTEGER) dataset_.fail("does not hold numbers");
    if (dataset_.shape().empty()) dataset_.fail("is a single value");
    for (std::size_t axis = 1; axis < dataset_.shape().size(); ++axis) {
      row_size_ *= dataset_.shape()[axis];
    }
  }
  const std::vector<std::int64_t>& shape() const override { return dataset_.shape(); }
  bool is_floating_point() const override { return dataset_.handle().getTypeClass() == H5T_FLOAT; }
  void read(std::int64_t count, std::vector<double>& values) override {
    values.resize(count * row_size_);
    dataset_.read_rows(first_, count, H5::PredType::NATIVE_DOUBLE, values.data());
    first_ += count;
  }

 private:
  Hdf5Dataset dataset_;
  std::int64_t row_size_ = 1;
  std::int64_t first_ = 0;
};

class Hdf5ArrayFile : public ArrayFile {
 public:
  explicit Hdf5ArrayFile(const std::filesystem::path& path) : file_(path) {}

  const std::string& name() const override { return file_.name(); }
  bool has(const std::string& array) const override { return file_.has(array); }
  std::vector<std::string> names() const override { return file_.names(); }
  std::unique_ptr<ArrayRows> rows(const std::string& array) const override {
    return catch_hdf5_errors(name(), [&]() -> std::unique_ptr<ArrayRows> {
      return std::make_unique<Hdf5Rows>(file_.dataset(array));
    });
  }
  std::vector<std::int64_t> integers(const std::string& array) const override {
    return catch_hdf5_errors(name(), [&] { return read_integers(array); });
  }

 private:
  std::vector<std::int64_t> read_integers(const std::string& array) const {
    const Hdf5Dataset dataset = file_.dataset(array);
    if (dataset.handle().getTypeClass() != H5T_INTEGER) dataset.fail("does not hold integers");
    if (dataset.shape().size() != 1) dataset.fail("is no list");
    std::vector<std::int64_t> values(dataset.rows());
    if (values.empty()) return values;
    dataset.read_rows(0, dataset.rows(), H5::PredType::NATIVE_INT64, values.data());
    // HDF5 puts the largest number for what is beyond it.
    const bool is_unsigned = dataset.handle().getIntType().getSign() == H5T_SGN_NONE;
    for (const std::int64_t value : values) {
      if (is_unsigned && value == std::numeric_limits<std::int64_t>::max()) {
        dataset.fail("holds integers of 2^63 or more");
      }
    }
    return values;
  }

  Hdf5File file_;
};

}  // namespace

void ArrayFile::fail(const std::string& array, const std::string& reason) const {
  throw_file_error(name(), "array '" + array + "' " + reason);
}

bool is_zip_file(const std::filesystem::path& path) {
  if (!std::filesystem::exists(path)) throw_file_error(path.string(), "no such file");
  if (!std::filesystem::is_regular_file(path)) throw_file_error(path.string(), "not a file");
  std::array<char, 2> magic{};
  const std::size_t got = FileSource(path).read(magic);
  return std::string_view(magic.data(), got) == "PK";
}

std::unique_ptr<ArrayFile> open_array_file(const std::filesystem::path& path) {
  return is_zip_file(path) ? open_npz_array_file(path) : open_hdf5_array_file(path);
}

std::unique_ptr<ArrayFile> open_npz_array_file(const std::filesystem::path& path) {
  return std::make_unique<NpzArrayFile>(path);
}

std::unique_ptr<ArrayFile> open_hdf5_array_file(const std::filesystem::path& path) {
  return std::make_unique<Hdf5ArrayFile>(path);
}

}  // namespace lorentznet
