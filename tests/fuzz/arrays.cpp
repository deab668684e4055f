#include <algorithm>
#include <cstring>
#include <fstream>
#include <limits>
#include <memory>
#include <vector>

#include "data/array_file.h"
#include "fuzz/common.h"
#include "fuzz/targets.h"
#include "io/npz.h"
#include "lorentznet/readers.h"

namespace lorentznet::fuzz {
namespace {

class MemorySource : public ByteSource {
 public:
  explicit MemorySource(std::string_view bytes) : bytes_(bytes), size_(bytes.size()) {}
  std::size_t read(std::span<char> out) override {
    const auto count = std::min(out.size(), bytes_.size());
    std::copy_n(bytes_.begin(), count, out.begin());
    bytes_.remove_prefix(count);
    return count;
  }
  std::uint64_t announced_size() const override { return size_; }

 private:
  std::string_view bytes_;
  std::size_t size_;
};

/// All elements, first some rows, then the others.
std::vector<double> elements_of(NpyRows& rows) {
  constexpr std::int64_t kFirst = 3;
  std::vector<double> all, block;
  for (auto most = kFirst; rows.read(most, block) > 0;
       most = std::numeric_limits<std::int64_t>::max()) {
    all.insert(all.end(), block.begin(), block.end());
  }
  return all;
}

bool same_bits(const std::vector<double>& a, const std::vector<double>& b) {
  return a.size() == b.size() &&
         (a.empty() || std::memcmp(a.data(), b.data(), a.size() * sizeof(double)) == 0);
}

/// Writes what was read, and reads it again.
void check_rewritten(const std::vector<double>& values, const std::vector<std::int64_t>& shape) {
  const auto bytes = npy_bytes(std::span<const double>(values), shape);
  NpyRows again([&] { return std::make_unique<MemorySource>(bytes); }, "again");
  require(again.header().shape == shape && same_bits(elements_of(again), values),
          "an array changed");
}

void use_array(const NpzReader& file, const std::string& array, const std::string& name) {
  is_accepted(name, [&] {
    auto rows = file.rows(array);
    require(static_cast<std::int64_t>(elements_of(rows).size()) == rows.header().element_count(),
            "elements");
  });
  is_accepted(name, [&] { file.read_integers(array); });
}

bool use_archive(std::string_view bytes) {
  const MemoryFile file(bytes);
  const auto name = file.path().string();
  is_accepted(name, [&] { require_sound(read_jets(file.path())); });
  is_accepted(name, [&] { require_sound(read_quark_gluon_jets(file.path())); });
  return is_accepted(name, [&] {
    const NpzReader reader(file.path());
    for (const auto& array : reader.names()) {
      if (reader.has(array)) use_array(reader, array, name);
    }
  });
}

}  // namespace

bool npy(std::string_view bytes) {
  const std::string name = "array";
  const auto open = [&] { return std::make_unique<MemorySource>(bytes); };
  return is_accepted(name, [&] {
    NpyRows rows(open, name);
    const auto& header = rows.header();
    const auto values = elements_of(rows);
    require(static_cast<std::int64_t>(values.size()) == header.element_count(), "elements");
    check_rewritten(values, header.shape);
    std::vector<std::int64_t> integers(values.size());
    is_accepted(name, [&] {
      npy_to_int64(header.descr, bytes.substr(header.data_offset), integers, name);
    });
  });
}

bool npz(std::string_view bytes) {
  if (!bytes.starts_with("PK"))
    return false;  // would be read as HDF5, which has a target of its own
  const bool accepted = use_archive(bytes);
  const auto repaired = with_right_checksums(bytes);
  return (repaired != bytes && use_archive(repaired)) || accepted;
}

bool hdf5(std::string_view bytes) {
  if (bytes.starts_with("PK")) return false;
  const auto file = scratch_folder() / "jets.h5";  // HDF5 needs its real path
  std::ofstream(file, std::ios::binary)
      .write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  const auto name = file.string();
  is_accepted(name, [&] {
    const auto arrays = open_array_file(file);
    for (const auto& array : arrays->names()) is_accepted(name, [&] { arrays->describe(array); });
  });
  return is_accepted(name, [&] { require_sound(read_jets(file)); });
}

}  // namespace lorentznet::fuzz
