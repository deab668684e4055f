#include "data/particles.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <iterator>

namespace lorentznet {
namespace {

struct Particle {
  int abs_pdg_id;
  double mass;  ///< [GeV]
};

// The particle table of EnergyFlow, sorted by PDG id. The published network was trained with these
// masses, not with today's world averages.
constexpr Particle kParticles[] = {
    {0, 0.0},           {1, 0.33},          {2, 0.33},          {3, 0.5},
    {4, 1.5},           {5, 4.8},           {6, 171.0},         {11, 0.000511},
    {12, 0.0},          {13, 0.10566},      {14, 0.0},          {15, 1.77682},
    {16, 0.0},          {21, 0.0},          {22, 0.0},          {23, 91.1876},
    {24, 80.385},       {25, 125.0},        {111, 0.13498},     {113, 0.77549},
    {130, 0.49761},     {211, 0.13957},     {213, 0.77549},     {221, 0.54785},
    {223, 0.78265},     {310, 0.49761},     {321, 0.49368},     {331, 0.95778},
    {333, 1.01946},     {445, 3.5562},      {555, 9.9122},      {1114, 1.232},
    {2101, 0.57933},    {2112, 0.93957},    {2114, 1.232},      {2203, 0.77133},
    {2212, 0.93827},    {2214, 1.232},      {2224, 1.232},      {3112, 1.19745},
    {3122, 1.11568},    {3212, 1.19264},    {3222, 1.18937},    {3312, 1.32171},
    {3322, 1.31486},    {3334, 1.67245},    {10441, 3.41475},   {10551, 9.8594},
    {20443, 3.51066},   {9940003, 3.29692}, {9940005, 3.7562},  {9940011, 3.61475},
    {9940023, 3.71066}, {9940103, 3.88611}, {9941003, 3.29692}, {9942003, 3.29692},
    {9942033, 3.97315}, {9950203, 10.5552},
};

constexpr bool by_id(const Particle& left, const Particle& right) {
  return left.abs_pdg_id < right.abs_pdg_id;
}
static_assert(std::is_sorted(std::begin(kParticles), std::end(kParticles), by_id));

constexpr std::array<int, kNumSpecies> kSpeciesIds = {11, 13, 22, 130, 211, 321, 2112, 2212};

}  // namespace

std::optional<double> particle_mass(int abs_pdg_id) {
  const Particle wanted{abs_pdg_id, 0};
  const auto* found = std::lower_bound(std::begin(kParticles), std::end(kParticles), wanted, by_id);
  if (found == std::end(kParticles) || found->abs_pdg_id != abs_pdg_id) return std::nullopt;
  return found->mass;
}

int species_index(int abs_pdg_id) {
  const auto* found = std::find(kSpeciesIds.begin(), kSpeciesIds.end(), abs_pdg_id);
  return found == kSpeciesIds.end() ? -1 : static_cast<int>(found - kSpeciesIds.begin());
}

std::array<double, 4> four_momentum(double pt, double rapidity, double phi, double mass) {
  const double transverse_energy = std::sqrt(pt * pt + mass * mass);
  return {transverse_energy * std::cosh(rapidity), pt * std::cos(phi), pt * std::sin(phi),
          transverse_energy * std::sinh(rapidity)};
}

}  // namespace lorentznet
