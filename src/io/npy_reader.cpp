#include "io/npy_reader.h"

#include <algorithm>
#include <utility>

#include "io/file.h"
#include "io/message.h"
#include "lorentznet/error.h"

namespace lorentznet {
namespace {

constexpr std::string_view suffix = ".npy";

// Appends the next `count` elements to `values`, which grows with what is really there: `count`
// comes from the file and may lie.
void append_elements(ByteSource& source, const std::string& what, const NpyHeader& header,
                     std::int64_t count, std::vector<double>& values) {
  constexpr std::int64_t chunk = 1 << 14;
  const std::size_t item = header.item_size();
  std::string bytes;
  while (count > 0) {
    const auto now = static_cast<std::size_t>(std::min(count, chunk));
    bytes.resize(now * item);
    const std::size_t got = source.read(bytes);
    if (got != bytes.size()) {
      throw InputError(what + ": ends " + std::to_string(bytes.size() - got) +
                       " bytes before element " + std::to_string(values.size() + now) +
                       ", expected " + std::to_string(header.element_count()) + " elements");
    }
    values.resize(values.size() + now);
    npy_to_double(header.descr, bytes, std::span(values).last(now));
    count -= static_cast<std::int64_t>(now);
  }
}

// Values with the first axis fastest become values with the last axis fastest.
std::vector<double> fortran_to_c(const std::vector<double>& values,
                                 const std::vector<std::int64_t>& shape) {
  std::vector<std::int64_t> strides(shape.size(), 1);
  for (std::size_t axis = 1; axis < shape.size(); ++axis) {
    strides[axis] = strides[axis - 1] * shape[axis - 1];
  }
  std::vector<double> out;
  out.reserve(values.size());
  std::vector<std::int64_t> index(shape.size(), 0);
  std::int64_t place = 0;
  while (out.size() < values.size()) {
    out.push_back(values[static_cast<std::size_t>(place)]);
    // Counts `index` up by one, last axis first, and moves `place` along.
    for (std::size_t axis = shape.size(); axis-- > 0;) {
      place += strides[axis];
      if (++index[axis] < shape[axis]) break;
      place -= strides[axis] * shape[axis];
      index[axis] = 0;
    }
  }
  return out;
}

NpyArray read_whole(ByteSource& source, const std::string& what, std::int64_t max_elements) {
  NpyHeader header = read_npy_header(source, what);
  const std::int64_t count = header.element_count();
  if (count > max_elements) {
    throw InputError(what + ": has " + std::to_string(count) + " elements, expected at most " +
                     std::to_string(max_elements));
  }
  NpyArray array;
  append_elements(source, what, header, count, array.values);
  if (header.fortran_order) array.values = fortran_to_c(array.values, header.shape);
  array.shape = std::move(header.shape);
  return array;
}

}  // namespace

NpyRows::NpyRows(std::unique_ptr<ByteSource> source, std::string what)
    : source_(std::move(source)),
      what_(std::move(what)),
      header_(read_npy_header(*source_, what_)) {
  if (header_.shape.empty()) {
    throw InputError(what_ + ": has 0 axes, expected at least 1");
  }
  if (header_.fortran_order && header_.shape.size() > 1) {
    throw InputError(what_ + ": is stored in Fortran order, expected C order");
  }
}

std::int64_t NpyRows::read(std::int64_t max_rows, std::vector<double>& values) {
  const std::int64_t rows = std::clamp<std::int64_t>(max_rows, 0, num_rows() - rows_read_);
  values.clear();
  append_elements(*source_, what_, header_, rows * row_size(), values);
  rows_read_ += rows;
  return rows;
}

NpyArray read_npy(const std::filesystem::path& path, std::int64_t max_elements) {
  FileSource source(path);
  return read_whole(source, path.string(), max_elements);
}

std::vector<std::string> NpzReader::names() const {
  std::vector<std::string> names;
  for (const std::string& entry : archive_.names()) {
    if (entry.ends_with(suffix)) names.push_back(entry.substr(0, entry.size() - suffix.size()));
  }
  return names;
}

bool NpzReader::has(std::string_view name) const {
  return archive_.has(std::string(name).append(suffix));
}

std::string NpzReader::describe(std::string_view name) const {
  return path().string() + ": array " + in_quotes(name);
}

std::unique_ptr<ByteSource> NpzReader::open(std::string_view name) const {
  return archive_.stream(std::string(name).append(suffix));
}

NpyHeader NpzReader::header(std::string_view name) const {
  return read_npy_header(*open(name), describe(name));
}

NpyArray NpzReader::read(std::string_view name, std::int64_t max_elements) const {
  return read_whole(*open(name), describe(name), max_elements);
}

NpyRows NpzReader::rows(std::string_view name) const { return {open(name), describe(name)}; }

}  // namespace lorentznet
