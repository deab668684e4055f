#include "data/masses.h"

#include <catch2/catch.hpp>
#include <cmath>

#include "lorentznet/readers.h"
#include "support.h"

using namespace lorentznet;

namespace {

constexpr double kPion = 0.1396;  // GeV

/// The shipped top jets of a split, with energies of particles of mass `mass` and components
/// rounded by `round`.
template <typename Round>
MassQuartiles quartiles_of_shipped(double mass, Round round) {
  const auto folder = std::filesystem::path(LORENTZNET_SOURCE_DIR) / "data" / "top";
  auto jets = read_top_split({folder / "test.h5"});
  auto p4 = jets.p4.edit();
  for (std::size_t i = 0; i < p4.size(); i += 4) {
    p4[i] = std::sqrt(p4[i + 1] * p4[i + 1] + p4[i + 2] * p4[i + 2] + p4[i + 3] * p4[i + 3] +
                      mass * mass);
    for (std::size_t axis = 0; axis < 4; ++axis) p4[i + axis] = round(p4[i + axis]);
  }
  return mass_quartiles(jets).value();
}

double as_float(double value) { return static_cast<float>(value); }
double as_double(double value) { return value; }

}  // namespace

TEST_CASE("masses: quartiles of m/E, of jets all over the set") {
  JetSet jets;
  for (int jet = 0; jet < 5000; ++jet) {
    const double mass = jet < 2500 ? 1 : 2;
    jets.p4.append({4, 0, 0, std::sqrt(16 - mass * mass)});
    jets.offsets.push_back(jet + 1);
  }
  const auto found = mass_quartiles(jets).value();
  CHECK(found.lower == Approx(0.25));
  CHECK(found.upper == Approx(0.5));
  jets.scalars.resize(5000);
  CHECK_FALSE(mass_quartiles(jets));
  CHECK_FALSE(mass_quartiles(JetSet{}));
}

TEST_CASE("masses differ if they are a factor of ten away") {
  const MassQuartiles trained{.lower = 1e-3, .median = 2e-3, .upper = 4e-3};
  const auto differ = [&](double median) { return masses_differ({.median = median}, trained); };
  CHECK_FALSE(differ(2e-3));
  CHECK_FALSE(differ(1.1e-4));
  CHECK(differ(0.9e-4));
  CHECK(differ(0));
  CHECK_FALSE(differ(3.9e-2));
  CHECK(differ(4.1e-2));
  // To the network, rounding in double is no mass at all.
  CHECK_FALSE(masses_differ({.median = 0}, {.lower = 1e-8, .median = 1e-8, .upper = 2e-8}));
  CHECK_FALSE(masses_differ({.median = 1e-8}, {}));
  CHECK(masses_differ({.median = 2e-4}, {}));
}

TEST_CASE(
    "masses of the shipped jets are those of the published ones, if float is what they are stored "
    "in") {
  const auto published = top_tagging().published_masses.value();
  const auto rounded = quartiles_of_shipped(0, as_float),
             exact = quartiles_of_shipped(0, as_double),
             pions = quartiles_of_shipped(kPion, as_double);
  CHECK(rounded.lower == Approx(published.lower).epsilon(0.2));
  CHECK(rounded.median == Approx(published.median).epsilon(0.2));
  CHECK(rounded.upper == Approx(published.upper).epsilon(0.2));
  CHECK_FALSE(masses_differ(rounded, published));
  CHECK(masses_differ(exact, published));
  CHECK(masses_differ(rounded, exact));
  CHECK(masses_differ(pions, published));
  CHECK_FALSE(masses_differ(pions, quartiles_of_shipped(kPion, as_float)));
  CHECK_FALSE(quark_gluon_tagging().published_masses);
}
