#include <catch2/catch.hpp>
#include <cmath>
#include <limits>
#include <span>
#include <vector>

#include "data/particles.h"
#include "data/quark_gluon_jets.h"
#include "data/test_files.h"
#include "io/arrays.h"
#include "support.h"

using lorentznet::append_quark_gluon_jet;
using lorentznet::four_momentum;
using lorentznet::JetBuilder;
using lorentznet::JetSet;

namespace {

constexpr double nan_value = std::numeric_limits<double>::quiet_NaN();

/// The error of a jet with a good constituent in column 0 and `row` in column 1.
std::string error_of(const std::array<double, 4>& row, double label = 1) {
  std::vector<double> jet = {10, .1, .2, 22};
  jet.insert(jet.end(), row.begin(), row.end());
  return lorentznet::test::input_error("jets.npz", [&] {
    JetBuilder builder("jets.npz");
    append_quark_gluon_jet(builder, jet.data(), 1, 0);
    append_quark_gluon_jet(builder, jet.data(), 2, label);
  });
}

}  // namespace

TEST_CASE(
    "four-momenta have the mass, transverse momentum, rapidity and azimuth they are made of") {
  const auto [energy, px, py, pz] = four_momentum(3.5, -0.7, 2.5, 0.93827);
  CHECK(std::hypot(px, py) == Approx(3.5).epsilon(1e-14));
  CHECK(std::atan2(py, px) == Approx(2.5).epsilon(1e-14));
  CHECK(.5 * std::log((energy + pz) / (energy - pz)) == Approx(-0.7).epsilon(1e-13));
  CHECK(energy * energy - px * px - py * py - pz * pz == Approx(0.93827 * 0.93827).epsilon(1e-12));
}

TEST_CASE("quark/gluon jets are the rows that are not zero") {
  const double jet[] = {0, 0, 0, 0, 2, 0, 0, -211, 0, 0, 0, 0, 1, .5, .25, 111};
  JetBuilder builder("jets.npz");
  append_quark_gluon_jet(builder, jet, 4, 1);
  const JetSet jets = std::move(builder).finish();
  CHECK(jets.offsets == std::vector<std::int64_t>{0, 2});
  CHECK(jets.column == std::vector<std::int16_t>{0, 1});
  CHECK(jets.species == std::vector<std::int8_t>{4, -1});
  CHECK(jets.label == std::vector<std::int8_t>{1});
  CHECK(jets.p4[0] == std::sqrt(2. * 2. + 0.13957 * 0.13957));
  CHECK(jets.p4[1] == 2);
  CHECK(jets.p4[2] == 0);
  CHECK(jets.p4[3] == 0);
  CHECK(jets.p4[4] == std::sqrt(1. + 0.13498 * 0.13498) * std::cosh(.5));
}

TEST_CASE("a bad quark/gluon jet is named with the reason") {
  const auto starts = Catch::StartsWith("jets.npz: jet 1 (counted from 0): ");
  CHECK_THAT(error_of({1, 0, 0, 7}), starts && Catch::Contains("unknown PDG id 7 in column 1"));
  CHECK_THAT(error_of({1, 0, 0, -2213}), starts && Catch::Contains("unknown PDG id -2213"));
  CHECK_THAT(error_of({1, 0, 0, 0}), starts && Catch::Contains("unknown PDG id 0 in column 1"));
  CHECK_THAT(error_of({1, 0, 0, 211.5}), starts && Catch::Contains("211.5 in column 1 is not an"));
  CHECK_THAT(error_of({1, 0, 0, nan_value}), starts && Catch::Contains("PDG id nan"));
  CHECK_THAT(error_of({1, 0, 0, 1e300}), starts && Catch::Contains("PDG id 1e+300"));
  CHECK_THAT(error_of({nan_value, 0, 0, 22}), starts && Catch::Contains("is not finite"));
  CHECK_THAT(error_of({1, nan_value, 0, 22}), starts && Catch::Contains("is not finite"));
  CHECK_THAT(error_of({1, 0, INFINITY, 22}), starts && Catch::Contains("phi) = (1, 0, inf)"));
  CHECK_THAT(error_of({1, 1000, 0, 22}), starts && Catch::Contains("four-momentum (inf, "));
  CHECK_THAT(error_of({-1, 0, 0, 22}), starts && Catch::Contains("pT -1 GeV in column 1"));
  CHECK_THAT(error_of({0, 0, 0, 22}), starts && Catch::Contains("pT 0 GeV in column 1"));
  CHECK_THAT(error_of({0, .5, 0, 0}), starts && Catch::Contains("pT 0 GeV in column 1"));
  CHECK_THAT(error_of({1, 0, 0, 22}, .5), starts && Catch::Contains("label 0.5"));
  CHECK_THAT(error_of({1, 0, 0, 22}, nan_value), starts && Catch::Contains("label nan"));
}

TEST_CASE("a quark/gluon jet without particles is refused") {
  const double nothing[12] = {};
  JetBuilder builder("jets.npz");
  CHECK_THAT(lorentznet::test::input_error("jets.npz",
                                           [&] { append_quark_gluon_jet(builder, nothing, 3, 0); }),
             Catch::Contains("jet 0 (counted from 0): no particles"));
}

TEST_CASE("four-momenta and species agree with the Python program's") {
  const auto reference = lorentznet::test::reference_dir();
  if (!reference) return lorentznet::test::skip("no reference folder");
  const auto read = [file = *reference / "golden" / "qg_eval.npz"](const char* name) {
    return lorentznet::test::read_npz(file, name);
  };
  const auto constituents = read("X");
  const auto p4 = read("p4").values;
  const auto one_hot = read("scalars").values;
  const auto label = read("label").values;
  const std::int64_t num_jets = constituents.shape[0];
  const std::int64_t width = constituents.shape[1];
  JetBuilder builder("X");
  for (std::int64_t jet = 0; jet < num_jets; ++jet) {
    append_quark_gluon_jet(builder, &constituents.values[jet * width * 4], width, label[jet]);
  }
  const JetSet jets = std::move(builder).finish();

  // What stands in the padded arrays where there is no constituent is zero.
  std::vector<double> padded_p4(p4.size());
  std::vector<double> padded_one_hot(one_hot.size());
  for (std::int64_t jet = 0; jet < num_jets; ++jet) {
    for (std::int64_t i = jets.offsets[jet]; i < jets.offsets[jet + 1]; ++i) {
      const std::int64_t row = jet * width + jets.column[i];
      std::copy_n(&jets.p4[4 * i], 4, &padded_p4[4 * row]);
      if (jets.species[i] >= 0) padded_one_hot[8 * row + jets.species[i]] = 1;
    }
    const auto of_jet = [&](const std::vector<double>& values) {
      return std::span(values).subspan(static_cast<std::size_t>(4 * jet * width),
                                       static_cast<std::size_t>(4 * width));
    };
    const std::vector<double> zeros(static_cast<std::size_t>(4 * width));
    const double largest = lorentznet::test::largest_difference(of_jet(p4), zeros);
    CHECK(largest > 0);
    CHECK(lorentznet::test::largest_difference(of_jet(p4), of_jet(padded_p4)) <= 1e-12 * largest);
  }
  CHECK((padded_one_hot == one_hot));
}
