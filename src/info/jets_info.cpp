#include "info/jets_info.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <map>

#include "data/file_layout.h"
#include "io/sha256.h"

namespace lorentznet {
namespace {

/// Smallest, mean and largest of some numbers.
class Range {
 public:
  void add(double value) {
    smallest_ = std::min(smallest_, value);
    largest_ = std::max(largest_, value);
    sum_ += value;
    ++count_;
  }
  Json json() const {
    if (count_ == 0) return nullptr;
    return {{"min", smallest_}, {"mean", sum_ / static_cast<double>(count_)}, {"max", largest_}};
  }

 private:
  double smallest_ = std::numeric_limits<double>::infinity();
  double largest_ = -std::numeric_limits<double>::infinity();
  double sum_ = 0;
  std::int64_t count_ = 0;
};

double transverse(const double* p4) { return std::hypot(p4[1], p4[2]); }

/// The ranges of jets' and constituents' kinematics.
Json kinematics(const JetSet& jets) {
  Range multiplicity, energy, constituent_pt, pt, mass, eta;
  for (std::int64_t jet = 0; jet < jets.num_jets(); ++jet) {
    std::array<double, 4> sum{};
    for (auto p = jets.offsets[jet]; p < jets.offsets[jet + 1]; ++p) {
      const double* p4 = jets.p4.data() + 4 * p;
      for (std::size_t axis = 0; axis < 4; ++axis) sum[axis] += p4[axis];
      energy.add(p4[0]);
      constituent_pt.add(transverse(p4));
    }
    multiplicity.add(static_cast<double>(jets.multiplicity(jet)));
    const double jet_pt = transverse(sum.data());
    pt.add(jet_pt);
    const double mass2 = sum[0] * sum[0] - sum[1] * sum[1] - sum[2] * sum[2] - sum[3] * sum[3];
    mass.add(std::sqrt(std::max(mass2, 0.0)));
    if (jet_pt > 0) eta.add(std::asinh(sum[3] / jet_pt));
  }
  return {{"constituents", multiplicity.json()},
          {"jet_pt", pt.json()},
          {"jet_mass", mass.json()},
          {"jet_eta", eta.json()},
          {"constituent_energy", energy.json()},
          {"constituent_pt", constituent_pt.json()}};
}

Json classes(const JetSet& jets) {
  std::map<int, std::int64_t> counts;
  for (const auto label : jets.label) ++counts[label];
  Json json = Json::object();
  for (const auto& [label, count] : counts) {
    json[label < 0 ? "without label" : std::to_string(label)] = count;
  }
  return json;
}

Json arrays(const std::filesystem::path& file) {
  Json json = Json::array();
  for (const auto& array : stored_arrays(file)) {
    json.push_back({{"name", array.name},
                    {"shape", array.shape},
                    {"type", array.type},
                    {"storage", array.storage}});
  }
  return json;
}

}  // namespace

Json jets_info(const std::filesystem::path& file) {
  const FileLayout layout = layout_of(file);
  const JetSet jets = read_jets_of(file, layout, {.skip = true, .most = 1});
  Json json{{"file", file.string()},
            {"bytes", std::filesystem::file_size(file)},
            {"sha256", sha256_of_file(file)},
            {"layout", describe(layout)},
            {"arrays", arrays(file)},
            {"jets", jets.num_jets() + static_cast<std::int64_t>(jets.skipped.size())},
            {"classes", classes(jets)}};
  json.update(kinematics(jets));
  if (jets.num_scalars() > 0) json["scalars"] = jets.num_scalars();
  if (!jets.weight.empty()) {
    Range weight;
    for (const double value : jets.weight) weight.add(value);
    json["weight"] = weight.json();
  }
  json["ids"] = !jets.id.empty();
  json["bad_jets"] = jets.skipped.size();
  json["reasons"] = jets.skipped;
  return json;
}

}  // namespace lorentznet
