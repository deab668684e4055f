#include <string>
#include <utility>

#include "data/input_checks.h"
#include "data/top_layout.h"

namespace lorentznet {
namespace {

void require_shape(const Hdf5Dataset& dataset, const std::vector<std::int64_t>& expected) {
  if (dataset.shape() == expected) return;
  dataset.fail("has shape " + format_shape(dataset.shape()) + " instead of " +
               format_shape(expected));
}

void require_class(const Hdf5Dataset& dataset, H5T_class_t type, const char* type_name) {
  if (dataset.handle().getTypeClass() != type) {
    dataset.fail("does not hold " + std::string(type_name));
  }
}

class ConvertedTopLayout : public TopLayout {
 public:
  explicit ConvertedTopLayout(const Hdf5File& file)
      : momenta_(file.dataset("Pmu")),
        present_(file.dataset("label")),
        is_signal_(file.dataset("is_signal")) {
    require_class(momenta_, H5T_FLOAT, "floating-point numbers");
    require_class(present_, H5T_INTEGER, "integers");
    require_class(is_signal_, H5T_INTEGER, "integers");
    const std::vector<std::int64_t>& shape = momenta_.shape();
    if (shape.size() != 3 || shape[1] < 1 || shape[1] > max_columns || shape[2] != 4) {
      momenta_.fail("has shape " + format_shape(shape) + " instead of [jets, particles, 4]");
    }
    require_shape(present_, {shape[0], shape[1]});
    require_shape(is_signal_, {shape[0]});
    // The particles are counted from `label`; `Nobj` only has to belong to the same jets.
    require_shape(file.dataset("Nobj"), {shape[0]});
  }

  std::int64_t rows() const override { return momenta_.rows(); }
  std::int64_t width() const override { return momenta_.shape()[1]; }

  void read(std::int64_t first, std::int64_t count, TopBlock& block) const override {
    block.p4.resize(count * width() * 4);
    block.present.resize(count * width());
    block.is_signal.resize(count);
    momenta_.read_rows(first, count, H5::PredType::NATIVE_DOUBLE, block.p4.data());
    present_.read_rows(first, count, H5::PredType::NATIVE_INT64, block.present.data());
    is_signal_.read_rows(first, count, H5::PredType::NATIVE_INT64, block.is_signal.data());
  }

 private:
  Hdf5Dataset momenta_;
  Hdf5Dataset present_;
  Hdf5Dataset is_signal_;
};

}  // namespace

std::unique_ptr<TopLayout> open_converted_top_layout(const Hdf5File& file) {
  for (const char* name : {"Nobj", "Pmu", "label", "is_signal"}) {
    if (!file.has(name)) {
      throw_file_error(file.name(), "no data set '" + std::string(name) + "'; the file holds " +
                                        file.contents());
    }
  }
  return std::make_unique<ConvertedTopLayout>(file);
}

}  // namespace lorentznet
