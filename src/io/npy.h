#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "io/bytes.h"

namespace lorentznet {

/// The header of a .npy file: numpy.lib.format, versions 1 to 3.
struct NpyHeader {
  std::string descr;                ///< element type in numpy's spelling: "<f8", ">i4", "|u1", ...
  bool fortran_order = false;       ///< first axis fastest
  std::vector<std::int64_t> shape;  ///< empty: a single element
  std::size_t data_offset = 0;      ///< bytes before the first element

  /// Bytes of an element: 1, 2, 4 or 8.
  std::size_t item_size() const;
  /// Product of the shape. It and the number of bytes fit in int64.
  std::int64_t element_count() const;
  /// Elements of one step along axis 0: the product of the other axes.
  std::int64_t row_size() const;
};

/// Reads the header at the start of `source`; the first element is next.
/// \throws InputError, beginning with `what`, if it is not a .npy header, if the element type is
///         not one of f4 f8 i1 i2 i4 i8 u1 u2 u4 u8 b1 (little- or big-endian), if the shape does
///         not fit in memory, or if the source announces another number of bytes than the shape
///         needs
NpyHeader read_npy_header(ByteSource& source, const std::string& what);

/// Parses the text of a header, "{'descr': '<f8', 'fortran_order': False, 'shape': (3, 4), }".
/// numpy evaluates it as Python; this accepts only the three keys, in any order.
NpyHeader parse_npy_dictionary(std::string_view text, const std::string& what);

/// Converts elements of type `descr` (one that read_npy_header accepts) to double; `bytes` holds
/// out.size() elements. 64-bit integers beyond 2^53 are rounded.
void npy_to_double(const std::string& descr, std::string_view bytes, std::span<double> out);

/// The same to int64. \throws InputError, beginning with `what`, if they are floating-point numbers
/// or integers of 2^63 or more
void npy_to_int64(const std::string& descr, std::string_view bytes, std::span<std::int64_t> out,
                  const std::string& what);

/// The bytes that numpy.save writes for an array in C order.
/// \throws std::invalid_argument if values.size() is not the product of `shape`
std::string npy_bytes(std::span<const float> values, std::span<const std::int64_t> shape);
std::string npy_bytes(std::span<const double> values, std::span<const std::int64_t> shape);
std::string npy_bytes(std::span<const std::int64_t> values, std::span<const std::int64_t> shape);

}  // namespace lorentznet
