#include "data/jet_builder.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace lorentznet {

JetBuilder::JetBuilder(std::string file) : file_(std::move(file)) {}

void JetBuilder::add_constituent(std::int64_t column, const double* p4) {
  const auto in_column = [column] { return " in column " + std::to_string(column); };
  if (!std::all_of(p4, p4 + 4, [](double value) { return std::isfinite(value); })) {
    fail("the four-momentum (" + format_number(p4[0]) + ", " + format_number(p4[1]) + ", " +
         format_number(p4[2]) + ", " + format_number(p4[3]) + ")" + in_column() + " is not finite");
  }
  if (!(p4[0] > 0)) {
    fail("energy " + format_number(p4[0]) + " GeV" + in_column() + " is not positive");
  }
  jets_.p4.insert(jets_.p4.end(), p4, p4 + 4);
  jets_.column.push_back(static_cast<std::int16_t>(column));
}

void JetBuilder::add_constituent(std::int64_t column, const double* p4, int species) {
  add_constituent(column, p4);
  jets_.species.push_back(static_cast<std::int8_t>(species));
}

void JetBuilder::end_jet(double label) {
  const auto constituents = static_cast<std::int64_t>(jets_.column.size());
  if (constituents == jets_.offsets.back()) fail("no particles");
  if (!(label == 0 || label == 1)) fail("label " + format_number(label) + " is neither 0 nor 1");
  jets_.offsets.push_back(constituents);
  jets_.label.push_back(static_cast<std::int8_t>(label));
}

void JetBuilder::fail(const std::string& reason) const {
  throw_file_error(file_,
                   "jet " + std::to_string(jets_.num_jets()) + " (counted from 0): " + reason);
}

JetSet JetBuilder::finish() && {
  if (jets_.num_jets() > 0) jets_.sources = {{file_, 0, 0}};
  return std::move(jets_);
}

}  // namespace lorentznet
