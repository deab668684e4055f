#include <catch2/catch.hpp>
#include <fstream>
#include <string>

#include "data/particles.h"
#include "support.h"

using lorentznet::particle_mass;
using lorentznet::species_index;

TEST_CASE("species are numbered in the order of the network's one-hot") {
  const int ids[] = {11, 13, 22, 130, 211, 321, 2112, 2212};
  for (int place = 0; place < lorentznet::kNumSpecies; ++place) {
    CHECK(species_index(ids[place]) == place);
  }
  CHECK(species_index(111) == -1);
  CHECK(species_index(0) == -1);
  CHECK(species_index(-11) == -1);
}

TEST_CASE("masses are those of the table, and unknown ids have none") {
  CHECK(particle_mass(11) == 0.000511);
  CHECK(particle_mass(211) == 0.13957);
  CHECK(particle_mass(22) == 0.0);
  CHECK(particle_mass(9950203) == 10.5552);
  CHECK_FALSE(particle_mass(7).has_value());
  CHECK_FALSE(particle_mass(-211).has_value());
  CHECK_FALSE(particle_mass(2213).has_value());
  CHECK_FALSE(particle_mass(99999999).has_value());
}

TEST_CASE("the whole particle table agrees with the reference") {
  const auto reference = lorentznet::test::reference_dir();
  if (!reference) return lorentznet::test::skip("no reference folder");
  std::ifstream table(*reference / "pdg.tsv");
  std::string header;
  std::getline(table, header);
  int rows = 0;
  int id = 0;
  double charge = 0;
  double mass = 0;
  for (; table >> id >> charge >> mass; ++rows) {
    INFO("PDG id " << id);
    CHECK(particle_mass(id) == mass);
  }
  CHECK(rows == 58);
}
