#include "same_state.h"

#include <catch2/catch.hpp>

#include "arrays.h"
#include "lorentznet/checkpoint.h"

namespace lorentznet::test {

void require_same_state(const std::filesystem::path& a, const std::filesystem::path& b) {
  const auto first = read_state_dict(a), second = read_state_dict(b);
  REQUIRE(first.size() == second.size());
  for (std::size_t k = 0; k < first.size(); ++k) {
    CAPTURE(first[k].first);
    REQUIRE(first[k].first == second[k].first);
    if (first[k].first.find("_time") != std::string::npos) continue;
    REQUIRE(same_bits(first[k].second, second[k].second));
  }
}

}  // namespace lorentznet::test
