// The dictionary literal of a .npy header. numpy evaluates it as Python; this reads just the three
// keys, in any order, with any blanks.
#include <algorithm>
#include <charconv>
#include <optional>

#include "io/message.h"
#include "io/npy.h"
#include "lorentznet/error.h"

namespace lorentznet {
namespace {

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
    if (!text_.empty()) fail("has " + in_quotes(text_) + " behind its end, expected nothing");
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
      fail("has records for elements, expected plain numbers");
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
    constexpr std::size_t max_axes = 64;  // numpy's own limit
    std::vector<std::int64_t> axes;
    expect('(');
    while (!accept(')')) {
      axes.push_back(length());
      if (axes.size() > max_axes) fail("has more axes than " + std::to_string(max_axes));
      // (3) is a number, not a tuple: one axis needs the comma.
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

NpyHeader parse_npy_dictionary(std::string_view text, const std::string& what) {
  return DictionaryParser(text, what).parse();
}

}  // namespace lorentznet
