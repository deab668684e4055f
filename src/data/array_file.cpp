#include "data/array_file.h"

#include <array>
#include <string_view>
#include <utility>

#include "data/hdf5_file.h"
#include "data/hdf5_look.h"
#include "data/jet_builder.h"
#include "io/file.h"
#include "io/message.h"
#include "io/npz.h"

namespace lorentznet {
namespace {

class NpzRows : public ArrayRows {
 public:
  explicit NpzRows(NpyRows rows) : rows_(std::move(rows)) {}
  const std::vector<std::int64_t>& shape() const override { return rows_.header().shape; }
  void read(std::int64_t count, std::vector<double>& values) override { rows_.read(count, values); }

 private:
  NpyRows rows_;
};

class NpzFile : public ArrayFile {
 public:
  explicit NpzFile(const std::filesystem::path& path) : file_(path), name_(path.string()) {}

  const std::string& name() const override { return name_; }
  bool has(const std::string& array) const override { return file_.has(array); }
  std::vector<std::string> names() const override { return file_.names(); }
  StoredArray describe(const std::string& array) const override {
    const NpyHeader header = file_.header(array);
    const bool is_fortran = header.fortran_order && header.shape.size() > 1;
    return {array, header.shape, header.descr.substr(1),
            std::string(file_.is_compressed(array) ? "deflated" : "stored") +
                (is_fortran ? ", Fortran order" : "")};
  }
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

bool is_zip_file(const std::filesystem::path& path) {
  if (!std::filesystem::exists(path)) throw_file_error(path.string(), "no such file");
  if (!std::filesystem::is_regular_file(path)) throw_file_error(path.string(), "not a file");
  std::array<char, 2> magic{};
  const std::size_t got = FileSource(path).read(magic);
  return std::string_view(magic.data(), got) == "PK";
}

}  // namespace

void ArrayFile::fail(const std::string& array, const std::string& reason) const {
  throw_file_error(name(), "array '" + array + "' " + reason);
}

std::unique_ptr<ArrayFile> open_npz_file(const std::filesystem::path& path) {
  return std::make_unique<NpzFile>(path);
}

std::unique_ptr<ArrayFile> open_array_file(const std::filesystem::path& path) {
  if (is_zip_file(path)) return open_npz_file(path);
  look_at_hdf5(path);
  return std::make_unique<Hdf5File>(path);
}

std::unique_ptr<ArrayRows> particle_rows(const ArrayFile& file) {
  const StoredArray stored = file.describe("X");
  if (!is_particle_shape(stored.shape)) {
    file.fail("X", "has shape " + format_shape(stored.shape) + " instead of [jets, particles, 4]");
  }
  if (!stored.type.starts_with('f')) {
    file.fail("X", "has elements of type " + stored.type + ", expected floating-point numbers");
  }
  if (stored.shape[0] == 0) throw_file_error(file.name(), "no jets");
  return file.rows("X");
}

std::vector<double> numbers_of_jets(const ArrayFile& file, const std::string& array,
                                    std::int64_t num_jets) {
  const auto rows = file.rows(array);
  if (rows->shape() != std::vector<std::int64_t>{num_jets}) {
    file.fail(array, "has shape " + format_shape(rows->shape()) + " instead of " +
                         format_shape({num_jets}) + ", the number of jets in 'X'");
  }
  std::vector<double> values;
  rows->read(num_jets, values);
  return values;
}

}  // namespace lorentznet
