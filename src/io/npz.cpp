#include "io/npz.h"

#include <algorithm>
#include <limits>
#include <numeric>
#include <utility>

#include "io/message.h"
#include "lorentznet/error.h"

namespace lorentznet {
namespace {

constexpr std::string_view kSuffix = ".npy";

/// Calls use(bytes, number of elements) for the next `count` elements, some at a time: memory must
/// not grow with `count`, which comes from the file and may be wrong.
template <typename Use>
void for_elements(ByteSource& source, const std::string& what, const NpyHeader& header,
                  std::int64_t count, Use use) {
  constexpr std::int64_t kChunk = 1 << 14;
  const std::size_t item = header.item_size();
  std::string bytes;
  for (std::int64_t done = 0; done < count;) {
    const auto now = static_cast<std::size_t>(std::min(count - done, kChunk));
    bytes.resize(now * item);
    const std::size_t got = source.read(bytes);
    if (got != bytes.size()) {
      throw InputError(what + ": ends " + std::to_string(bytes.size() - got) +
                       " bytes before element " +
                       std::to_string(done + static_cast<std::int64_t>(now)) + ", expected " +
                       std::to_string(header.element_count()) + " elements");
    }
    use(std::string_view(bytes), now);
    done += static_cast<std::int64_t>(now);
  }
}

/// Appends the next `count` elements to `values`, which grows with the elements that exist.
void append_elements(ByteSource& source, const std::string& what, const NpyHeader& header,
                     std::int64_t count, std::vector<double>& values) {
  for_elements(source, what, header, count, [&](std::string_view bytes, std::size_t now) {
    values.resize(values.size() + now);
    npy_to_double(header.descr, bytes, std::span(values).last(now));
  });
}

/// Calls use(row, place in the row, value) for each nonzero element of an array in Fortran order:
/// row fastest.
template <typename Use>
void for_nonzero(const NpyRows::Open& open, const std::string& what, Use use) {
  const auto source = open();
  const NpyHeader header = read_npy_header(*source, what);
  const std::int64_t rows = header.shape.front();
  std::int64_t row = 0;
  std::uint32_t place = 0;
  std::vector<double> values;
  for_elements(*source, what, header, header.element_count(),
               [&](std::string_view bytes, std::size_t now) {
                 values.resize(now);
                 npy_to_double(header.descr, bytes, values);
                 for (const double value : values) {
                   if (value != 0) use(row, place, value);
                   if (++row < rows) continue;
                   row = 0;
                   ++place;
                 }
               });
}

SparseRows read_sparse(const NpyRows::Open& open, const std::string& what,
                       const NpyHeader& header) {
  // Memory grows with the elements that exist, not with the rows that the header announces.
  SparseRows sparse;
  for_nonzero(open, what, [&](std::int64_t row, std::uint32_t, double) {
    const auto end = static_cast<std::size_t>(row) + 1;
    if (sparse.offsets.size() <= end) sparse.offsets.resize(end + 1, 0);
    ++sparse.offsets[end];
  });
  sparse.offsets.resize(static_cast<std::size_t>(header.shape.front()) + 1, 0);
  std::partial_sum(sparse.offsets.begin(), sparse.offsets.end(), sparse.offsets.begin());
  const auto elements = static_cast<std::size_t>(sparse.offsets.back());
  sparse.place.resize(elements);
  sparse.value.resize(elements);
  std::vector<std::int64_t> next(sparse.offsets.begin(), sparse.offsets.end() - 1);
  for_nonzero(open, what, [&](std::int64_t row, std::uint32_t place, double value) {
    if (next[row] == sparse.offsets[row + 1])
      throw InputError(what + ": changed while it was read");
    sparse.place[next[row]] = place;
    sparse.value[next[row]++] = value;
  });
  return sparse;
}

/// The place in C order of the element at `place` of a row in Fortran order. shape: of the array.
std::int64_t place_in_c_order(std::uint32_t place, const std::vector<std::int64_t>& shape) {
  std::int64_t left = place;
  std::int64_t c_place = 0;
  std::vector<std::int64_t> index(shape.size(), 0);
  for (std::size_t axis = 1; axis < shape.size(); ++axis) {
    index[axis] = left % shape[axis];
    left /= shape[axis];
  }
  for (std::size_t axis = 1; axis < shape.size(); ++axis) {
    c_place = c_place * shape[axis] + index[axis];
  }
  return c_place;
}

}  // namespace

NpyRows::NpyRows(const Open& open, std::string what)
    : source_(open()), what_(std::move(what)), header_(read_npy_header(*source_, what_)) {
  if (header_.shape.empty()) throw InputError(what_ + ": has 0 axes, expected at least 1");
  if (!header_.fortran_order || header_.shape.size() == 1 || num_rows() == 0) return;
  if (row_size() > std::numeric_limits<std::uint32_t>::max()) {
    throw InputError(what_ + ": has rows of " + std::to_string(row_size()) +
                     " elements in Fortran order, expected C order");
  }
  // A header may announce any number of empty rows.
  if (row_size() == 0) return;
  sparse_ = std::make_shared<SparseRows>(read_sparse(open, what_, header_));
}

std::int64_t NpyRows::read(std::int64_t max_rows, std::vector<double>& values) {
  const std::int64_t rows = std::clamp<std::int64_t>(max_rows, 0, num_rows() - rows_read_);
  values.clear();
  if (sparse_) {
    read_sparse_rows(rows, values);
  } else {
    append_elements(*source_, what_, header_, rows * row_size(), values);
  }
  rows_read_ += rows;
  return rows;
}

void NpyRows::read_sparse_rows(std::int64_t rows, std::vector<double>& values) const {
  values.assign(static_cast<std::size_t>(rows * row_size()), 0);
  for (std::int64_t row = 0; row < rows; ++row) {
    const std::int64_t begin = sparse_->offsets[rows_read_ + row];
    const std::int64_t end = sparse_->offsets[rows_read_ + row + 1];
    for (std::int64_t element = begin; element < end; ++element) {
      values[row * row_size() + place_in_c_order(sparse_->place[element], header_.shape)] =
          sparse_->value[element];
    }
  }
}

std::vector<std::string> NpzReader::names() const {
  std::vector<std::string> names;
  for (const std::string& entry : archive_.names()) {
    const bool is_array = entry.ends_with(kSuffix);
    names.push_back(is_array ? entry.substr(0, entry.size() - kSuffix.size()) : entry);
  }
  return names;
}

bool NpzReader::has(std::string_view name) const {
  return archive_.has(std::string(name).append(kSuffix));
}

std::string NpzReader::describe(std::string_view name) const {
  return path().string() + ": array " + in_quotes(name);
}

std::unique_ptr<ByteSource> NpzReader::open(std::string_view name) const {
  return archive_.stream(std::string(name).append(kSuffix));
}

bool NpzReader::is_compressed(std::string_view name) const {
  return archive_.is_compressed(std::string(name).append(kSuffix));
}

NpyHeader NpzReader::header(std::string_view name) const {
  return read_npy_header(*open(name), describe(name));
}

std::vector<std::int64_t> NpzReader::read_integers(std::string_view name) const {
  const auto source = open(name);
  const std::string what = describe(name);
  const NpyHeader header = read_npy_header(*source, what);
  if (header.shape.size() != 1) {
    throw InputError(what + ": has " + std::to_string(header.shape.size()) + " axes, expected 1");
  }
  std::vector<std::int64_t> values;
  for_elements(*source, what, header, header.element_count(),
               [&](std::string_view bytes, std::size_t now) {
                 values.resize(values.size() + now);
                 npy_to_int64(header.descr, bytes, std::span(values).last(now), what);
               });
  return values;
}

NpyRows NpzReader::rows(std::string_view name) const {
  return {[&] { return open(name); }, describe(name)};
}

}  // namespace lorentznet
