#include "data/jet_builder.h"

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <utility>

#include "io/message.h"

namespace lorentznet {
namespace {

std::string describe(const double* p4) {
  return "(" + format_number(p4[0]) + ", " + format_number(p4[1]) + ", " + format_number(p4[2]) +
         ", " + format_number(p4[3]) + ")";
}

template <typename T>
void cut(std::vector<T>& values, std::size_t size) {
  if (values.size() > size) values.resize(size);
}

}  // namespace

bool is_particle_shape(const std::vector<std::int64_t>& shape) {
  return shape.size() == 3 && shape[1] >= 1 && shape[1] <= kMaxColumns && shape[2] == 4;
}

std::int64_t jets_to_read(std::int64_t available, std::int64_t max_jets) {
  if (max_jets < -1) {
    throw std::invalid_argument("number of jets to read: " + std::to_string(max_jets) +
                                " (-1 means all)");
  }
  return max_jets == -1 ? available : std::min(available, max_jets);
}

JetBuilder::JetBuilder(std::string file, std::int64_t rows, const BadJetRule& rule)
    : file_(std::move(file)), rows_(rows), rule_(rule) {}

void JetBuilder::add_constituent(std::int64_t column, const double* p4) {
  if (const auto fault = fault_of(p4); fault != MomentumFault::kNone) refuse(column, p4, fault);
  p4_.insert(p4_.end(), p4, p4 + 4);
  const auto place = static_cast<std::int64_t>(column_.size()) - offsets_.back();
  column_.push_back(static_cast<std::int16_t>(place));
}

void JetBuilder::refuse(std::int64_t column, const double* p4, MomentumFault fault) const {
  const auto in_column = " in column " + std::to_string(column);
  const auto energy = "energy " + format_number(p4[0]) + " GeV" + in_column;
  switch (fault) {
    case MomentumFault::kNotFinite:
      fail("the four-momentum " + describe(p4) + in_column + " is not finite");
    case MomentumFault::kNotPositive:
      fail(energy + " is not positive");
    case MomentumFault::kOutOfRange:
      fail(energy + " is not between " + format_number(kMinEnergy) + " and " +
           format_number(kMaxEnergy));
    default:
      fail("(E, px, py, pz) = " + describe(p4) + in_column + " has more momentum than energy");
  }
}

void JetBuilder::add_constituent(std::int64_t column, const double* p4, int species) {
  add_constituent(column, p4);
  species_.push_back(static_cast<std::int8_t>(species));
}

void JetBuilder::add_constituent(std::int64_t column, const double* p4,
                                 std::span<const double> scalars) {
  for (const double scalar : scalars) {
    if (std::isfinite(scalar)) continue;
    fail("the scalar " + format_number(scalar) + " in column " + std::to_string(column) +
         " is not finite");
  }
  add_constituent(column, p4);
  scalars_.insert(scalars_.end(), scalars.begin(), scalars.end());
}

void JetBuilder::end_jet(double label, int num_classes) {
  if (!(label >= 0 && label < num_classes && label == std::floor(label))) {
    fail("label " + format_number(label) +
         (num_classes == 2 ? " is neither 0 nor 1"
                           : " is not one of 0, 1, ..., " + std::to_string(num_classes - 1)));
  }
  end(static_cast<std::int8_t>(label));
}

void JetBuilder::end_jet_without_label() { end(-1); }

void JetBuilder::end(std::int8_t label) {
  const auto constituents = static_cast<std::int64_t>(column_.size());
  if (constituents == offsets_.back()) fail("no particles");
  const auto jet = static_cast<std::int64_t>(label_.size());
  const bool continues =
      !sources_.empty() && row_ - sources_.back().first_row == jet - sources_.back().first_jet;
  if (!continues) sources_.push_back({file_, jet, row_});
  offsets_.push_back(constituents);
  label_.push_back(label);
  ++row_;
  if (row_ == rows_ / kFirstPart) reserve();
}

void JetBuilder::reserve() {
  const auto for_all_rows = [](auto& values) { values.reserve((kFirstPart + 1) * values.size()); };
  for_all_rows(p4_);
  for_all_rows(column_);
  for_all_rows(species_);
  for_all_rows(scalars_);
}

void JetBuilder::set_weight(double weight) {
  if (!(std::isfinite(weight) && weight >= 0)) {
    fail("weight " + format_number(weight) + " is not a finite number of at least 0");
  }
  weight_.push_back(weight);
}

void JetBuilder::fail(const std::string& reason) const {
  throw BadJet(file_ + ": jet " + std::to_string(row_) + " (counted from 0): " + reason);
}

void JetBuilder::skip(const BadJet& bad) {
  if (!rule_.skip) throw;
  skipped_.emplace_back(bad.what());
  constexpr double kRounding = 1e-9;  // .001 is not a binary number
  const auto most =
      static_cast<std::size_t>(rule_.most * static_cast<double>(rows_) * (1 + kRounding));
  if (skipped_.size() > most) {
    throw_file_error(file_, std::to_string(skipped_.size()) + " bad jets among the first " +
                                std::to_string(row_ + 1) + ", more than " +
                                format_number(100 * rule_.most) + " % of " + std::to_string(rows_) +
                                ", which is too many to skip; the last: " +
                                std::string(bad.what()).substr(file_.size() + 2));
  }
  remove_unfinished();
  ++row_;
}

void JetBuilder::remove_unfinished() {
  const auto particles = static_cast<std::size_t>(offsets_.back());
  if (!column_.empty()) cut(scalars_, scalars_.size() / column_.size() * particles);
  cut(p4_, 4 * particles);
  cut(column_, particles);
  cut(species_, particles);
  cut(weight_, label_.size());
  cut(id_, label_.size());
}

JetSet JetBuilder::finish() && {
  JetSet jets;
  jets.p4 = std::move(p4_);
  jets.offsets = std::move(offsets_);
  jets.species = std::move(species_);
  jets.column = std::move(column_);
  jets.label = std::move(label_);
  jets.scalars = std::move(scalars_);
  jets.weight = std::move(weight_);
  jets.id = std::move(id_);
  jets.sources = std::move(sources_);
  jets.skipped = std::move(skipped_);
  return jets;
}

}  // namespace lorentznet
