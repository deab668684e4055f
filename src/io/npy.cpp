#include "io/npy.h"

#include <algorithm>
#include <array>
#include <bit>
#include <charconv>
#include <cstring>
#include <functional>
#include <limits>
#include <numeric>
#include <optional>
#include <stdexcept>

#include "io/bytes.h"
#include "io/message.h"
#include "io/sizes.h"
#include "lorentznet/error.h"

namespace lorentznet {
namespace {

static_assert(std::endian::native == std::endian::little, "numbers are little-endian in memory");

constexpr std::string_view kMagic = "\x93NUMPY";

std::string take_bytes(ByteSource& source, std::size_t count, const std::string& what) {
  std::string bytes(count, '\0');
  const std::size_t got = source.read(bytes);
  if (got == count) return bytes;
  throw InputError(what + ": ends in its .npy header: " + std::to_string(got) +
                   " bytes found, expected " + std::to_string(count));
}

/// The dictionary's length takes 2 bytes in version 1, 4 in versions 2 and 3.
std::size_t read_dictionary_length(ByteSource& source, int version, const std::string& what) {
  constexpr std::uint32_t kMaxLength = 1 << 16;  // a plain array's has 118
  const std::string bytes = take_bytes(source, version == 1 ? 2 : 4, what);
  BoundedReader reader(bytes, what);
  const std::uint32_t length = version == 1 ? reader.u16() : reader.u32();
  if (length > kMaxLength) {
    throw InputError(what + ": has a .npy header of " + std::to_string(length) +
                     " bytes, expected at most " + std::to_string(kMaxLength));
  }
  return length;
}

std::string shape_text(const std::vector<std::int64_t>& shape) {
  std::string text = "(";
  for (const std::int64_t n : shape) text += std::to_string(n) + ", ";
  if (shape.size() > 1) text.resize(text.size() - 2);
  if (shape.size() == 1) text.pop_back();
  return text + ")";
}

void check_shape_fits(const NpyHeader& header, const std::string& what) {
  if (checked_product(header.shape)) return;
  throw InputError(what + ": has the shape " + shape_text(header.shape) + ", expected at most " +
                   std::to_string(kMaxElements) + " elements");
}

template <typename T, bool is_big_endian, typename To>
void convert(std::string_view bytes, std::span<To> out) {
  for (std::size_t i = 0; i < out.size(); ++i) {
    std::array<char, sizeof(T)> element;
    std::memcpy(element.data(), bytes.data() + i * sizeof(T), sizeof(T));
    if constexpr (is_big_endian) std::reverse(element.begin(), element.end());
    out[i] = static_cast<To>(std::bit_cast<T>(element));
  }
}

struct ElementType {
  std::string_view descr;
  std::size_t size;
  void (*to_double)(std::string_view, std::span<double>);
  void (*to_int64)(std::string_view, std::span<std::int64_t>);  ///< null for floating-point numbers
};

template <typename T, bool is_big_endian = false>
constexpr ElementType floats(std::string_view descr) {
  return {descr, sizeof(T), convert<T, is_big_endian, double>, nullptr};
}

template <typename T, bool is_big_endian = false>
constexpr ElementType integers(std::string_view descr) {
  return {descr, sizeof(T), convert<T, is_big_endian, double>,
          convert<T, is_big_endian, std::int64_t>};
}

constexpr std::array kElementTypes = std::to_array<ElementType>({
    floats<double>("<f8"),
    floats<float>("<f4"),
    integers<std::int64_t>("<i8"),
    integers<std::int32_t>("<i4"),
    integers<std::int16_t>("<i2"),
    integers<std::int8_t>("|i1"),
    integers<std::uint64_t>("<u8"),
    integers<std::uint32_t>("<u4"),
    integers<std::uint16_t>("<u2"),
    integers<std::uint8_t>("|u1"),
    integers<std::uint8_t>("|b1"),
    floats<double, true>(">f8"),
    floats<float, true>(">f4"),
    integers<std::int64_t, true>(">i8"),
    integers<std::int32_t, true>(">i4"),
    integers<std::int16_t, true>(">i2"),
    integers<std::uint64_t, true>(">u8"),
    integers<std::uint32_t, true>(">u4"),
    integers<std::uint16_t, true>(">u2"),
});

const ElementType* find_type(std::string_view descr) {
  const auto* type = std::find_if(kElementTypes.begin(), kElementTypes.end(),
                                  [&](const ElementType& t) { return t.descr == descr; });
  return type == kElementTypes.end() ? nullptr : type;
}

/// The type of a header that was checked before.
const ElementType& type_of(std::string_view descr) {
  if (const ElementType* type = find_type(descr)) return *type;
  throw std::logic_error("unchecked element type " + in_quotes(descr));
}

void require_size(const ElementType& type, std::string_view bytes, std::size_t elements) {
  if (bytes.size() == elements * type.size) return;
  throw std::logic_error(std::to_string(bytes.size()) + " bytes of type " + in_quotes(type.descr) +
                         " for " + std::to_string(elements) + " elements");
}

std::int64_t product(std::span<const std::int64_t> axes) {
  return std::accumulate(axes.begin(), axes.end(), std::int64_t{1}, std::multiplies<>());
}

/// numpy leaves room for the first axis to grow to 21 digits, then pads to a multiple of 64 (by 64
/// if it is one already).
std::string npy_header_bytes(std::string_view descr, std::span<const std::int64_t> shape) {
  constexpr std::size_t kGrowthDigits = 21;
  constexpr std::size_t kAlignment = 64;
  const std::vector<std::int64_t> axes(shape.begin(), shape.end());
  std::string text = "{'descr': '" + std::string(descr) +
                     "', 'fortran_order': False, 'shape': " + shape_text(axes) + ", }";
  if (!axes.empty()) text.append(kGrowthDigits - std::to_string(axes.front()).size(), ' ');
  const std::size_t unpadded = kMagic.size() + 4 + text.size() + 1;
  text.append(kAlignment - unpadded % kAlignment, ' ');
  text += '\n';
  if (text.size() > std::numeric_limits<std::uint16_t>::max()) {
    throw std::invalid_argument("npy_bytes: " + std::to_string(axes.size()) + " axes are too many");
  }
  std::string header(kMagic);
  header +=
      {'\1', '\0', static_cast<char>(text.size() & 0xff), static_cast<char>(text.size() >> 8)};
  return header + text;
}

template <typename T>
std::string array_bytes(std::string_view descr, std::span<const T> values,
                        std::span<const std::int64_t> shape) {
  if (checked_product(shape) != static_cast<std::int64_t>(values.size())) {
    throw std::invalid_argument("npy_bytes: " + std::to_string(values.size()) +
                                " values for the shape " +
                                shape_text({shape.begin(), shape.end()}));
  }
  std::string bytes = npy_header_bytes(descr, shape);
  bytes.append(reinterpret_cast<const char*>(values.data()), values.size_bytes());
  return bytes;
}

class DictionaryParser {
 public:
  DictionaryParser(std::string_view text, const std::string& what) : text_(text), what_(what) {}

  NpyHeader parse() {
    expect('{');
    while (!accept('}')) {
      const std::string key(string());
      expect(':');
      parse_value(key);
      if (!accept(',')) {
        expect('}');
        break;
      }
    }
    skip_blanks();
    if (!text_.empty()) fail("has " + in_quotes(text_) + " after its end, expected nothing");
    if (!descr_ || !fortran_order_ || !shape_) {
      fail("lacks one of the keys 'descr', 'fortran_order', 'shape'");
    }
    return {*descr_, *fortran_order_, *shape_};
  }

 private:
  void parse_value(const std::string& key) {
    if (key == "descr" && !descr_) {
      descr_ = string();
    } else if (key == "fortran_order" && !fortran_order_) {
      fortran_order_ = boolean();
    } else if (key == "shape" && !shape_) {
      shape_ = tuple();
    } else {
      fail("holds the key " + in_quotes(key) +
           ", expected 'descr', 'fortran_order', 'shape', each once");
    }
  }

  std::string string() {
    skip_blanks();
    if (text_.starts_with("[") || text_.starts_with("(")) {
      fail("has elements that are records, expected numbers");
    }
    if (text_.empty() || (text_.front() != '\'' && text_.front() != '"')) fail_expected("a string");
    const std::size_t end = text_.find(text_.front(), 1);
    if (end == std::string_view::npos) fail_expected("a string");
    const std::string value(text_.substr(1, end - 1));
    text_.remove_prefix(end + 1);
    return value;
  }

  bool boolean() {
    skip_blanks();
    for (const std::string_view word : {"True", "False"}) {
      if (text_.starts_with(word)) {
        text_.remove_prefix(word.size());
        return word == "True";
      }
    }
    fail_expected("True or False");
  }

  std::vector<std::int64_t> tuple() {
    constexpr std::size_t kMaxAxes = 64;  // numpy's own limit
    std::vector<std::int64_t> axes;
    expect('(');
    while (!accept(')')) {
      axes.push_back(length());
      if (axes.size() > kMaxAxes) fail("has more axes than " + std::to_string(kMaxAxes));
      // (3) is a number in Python: a tuple of one axis needs the comma.
      if (!accept(',')) {
        if (axes.size() == 1) fail_expected("','");
        expect(')');
        break;
      }
    }
    return axes;
  }

  std::int64_t length() {
    skip_blanks();
    std::int64_t value = 0;
    const auto [end, error] = std::from_chars(text_.data(), text_.data() + text_.size(), value);
    if (error != std::errc() || value < 0) fail_expected("a length from 0 to 2^63 - 1");
    text_.remove_prefix(static_cast<std::size_t>(end - text_.data()));
    if (text_.starts_with('L')) text_.remove_prefix(1);  // written by Python 2
    return value;
  }

  void skip_blanks() {
    text_.remove_prefix(std::min(text_.find_first_not_of(" \t\r\n"), text_.size()));
  }

  bool accept(char c) {
    skip_blanks();
    if (!text_.starts_with(c)) return false;
    text_.remove_prefix(1);
    return true;
  }

  void expect(char c) {
    if (!accept(c)) fail_expected("'" + std::string(1, c) + "'");
  }

  [[noreturn]] void fail(const std::string& message) const {
    throw InputError(what_ + ": .npy header " + message);
  }

  [[noreturn]] void fail_expected(const std::string& expected) const {
    fail("has " + (text_.empty() ? "its end" : in_quotes(text_)) + " where " + expected +
         " is expected");
  }

  std::string_view text_;
  const std::string& what_;
  std::optional<std::string> descr_;
  std::optional<bool> fortran_order_;
  std::optional<std::vector<std::int64_t>> shape_;
};

}  // namespace

std::size_t NpyHeader::item_size() const { return type_of(descr).size; }

std::int64_t NpyHeader::element_count() const { return product(shape); }

std::int64_t NpyHeader::row_size() const {
  return product(std::span(shape).subspan(shape.empty() ? 0 : 1));
}

NpyHeader read_npy_header(ByteSource& source, const std::string& what) {
  const std::string preamble = take_bytes(source, kMagic.size() + 2, what);
  if (!preamble.starts_with(kMagic)) {
    throw InputError(what + ": is not a .npy array: it begins with " +
                     in_quotes(preamble.substr(0, kMagic.size())) + ", expected " +
                     in_quotes(kMagic));
  }
  const int version = static_cast<unsigned char>(preamble[kMagic.size()]);
  if (version < 1 || version > 3) {
    throw InputError(what + ": is of .npy version " + std::to_string(version) +
                     ", expected 1 to 3");
  }
  const std::size_t length = read_dictionary_length(source, version, what);
  NpyHeader header = parse_npy_dictionary(take_bytes(source, length, what), what);
  header.data_offset = preamble.size() + (version == 1 ? 2 : 4) + length;
  if (find_type(header.descr) == nullptr) {
    throw InputError(what + ": has elements of type " + in_quotes(header.descr) +
                     ", expected f4, f8, i1-i8, u1-u8 or b1");
  }
  check_shape_fits(header, what);
  const std::uint64_t needed =
      static_cast<std::uint64_t>(header.element_count()) * header.item_size();
  const std::uint64_t found =
      std::max<std::uint64_t>(source.announced_size(), header.data_offset) - header.data_offset;
  if (found != needed) {
    throw InputError(what + ": has " + std::to_string(found) + " bytes of data, expected " +
                     std::to_string(needed) + " for " + header.descr + " of shape " +
                     shape_text(header.shape));
  }
  return header;
}

void npy_to_double(const std::string& descr, std::string_view bytes, std::span<double> out) {
  const ElementType& type = type_of(descr);
  require_size(type, bytes, out.size());
  type.to_double(bytes, out);
}

void npy_to_int64(const std::string& descr, std::string_view bytes, std::span<std::int64_t> out,
                  const std::string& what) {
  const ElementType& type = type_of(descr);
  require_size(type, bytes, out.size());
  if (type.to_int64 == nullptr) {
    throw InputError(what + ": has elements of type " + descr + ", expected integers");
  }
  type.to_int64(bytes, out);
  const bool wrapped = descr.ends_with("u8") &&
                       std::any_of(out.begin(), out.end(), [](auto value) { return value < 0; });
  if (wrapped) throw InputError(what + ": holds integers of 2^63 or more");
}

std::string npy_bytes(std::span<const float> values, std::span<const std::int64_t> shape) {
  return array_bytes("<f4", values, shape);
}

std::string npy_bytes(std::span<const double> values, std::span<const std::int64_t> shape) {
  return array_bytes("<f8", values, shape);
}

std::string npy_bytes(std::span<const std::int64_t> values, std::span<const std::int64_t> shape) {
  return array_bytes("<i8", values, shape);
}

NpyHeader parse_npy_dictionary(std::string_view text, const std::string& what) {
  return DictionaryParser(text, what).parse();
}

}  // namespace lorentznet
