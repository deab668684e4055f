#include <utility>

#include "data/array_file.h"
#include "data/input_checks.h"
#include "io/npy_reader.h"

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

}  // namespace

std::unique_ptr<ArrayFile> open_npz_array_file(const std::filesystem::path& path) {
  return std::make_unique<NpzArrayFile>(path);
}

}  // namespace lorentznet
