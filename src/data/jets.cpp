#include "lorentznet/jets.h"

#include <algorithm>
#include <stdexcept>

namespace lorentznet {
namespace {

/// The last source that begins at or before `jet`.
std::vector<JetSource>::const_iterator source_of(const std::vector<JetSource>& sources,
                                                 std::int64_t jet) {
  const auto after = std::upper_bound(
      sources.begin(), sources.end(), jet,
      [](std::int64_t value, const JetSource& source) { return value < source.first_jet; });
  return after == sources.begin() ? sources.end() : after - 1;
}

/// Adds a source; where it only goes on with the rows of the last one, there is nothing to add.
void add_source(std::vector<JetSource>& sources, const JetSource& source) {
  if (!sources.empty()) {
    const JetSource& last = sources.back();
    if (last.file == source.file &&
        source.first_row - last.first_row == source.first_jet - last.first_jet) {
      return;
    }
  }
  sources.push_back(source);
}

template <typename T>
void append_values(std::vector<T>& to, const std::vector<T>& from) {
  to.insert(to.end(), from.begin(), from.end());
}

template <typename T>
std::vector<T> subrange(const std::vector<T>& values, std::int64_t begin, std::int64_t end) {
  return {values.begin() + begin, values.begin() + end};
}

}  // namespace

std::string JetSet::describe(std::int64_t jet) const {
  if (jet < 0 || jet >= num_jets()) {
    throw std::out_of_range("jet " + std::to_string(jet) + " of a set of " +
                            std::to_string(num_jets()) + " jets");
  }
  const auto source = source_of(sources, jet);
  if (source == sources.end()) return "jet " + std::to_string(jet);
  return (source->file.empty() ? "" : source->file + ": ") + "jet " +
         std::to_string(source->first_row + jet - source->first_jet);
}

JetSet JetSet::slice(std::int64_t first, std::int64_t count) const {
  // Written without first + count, which could overflow.
  if (first < 0 || count < 0 || first > num_jets() || count > num_jets() - first) {
    throw std::out_of_range("slice of " + std::to_string(count) + " jets from jet " +
                            std::to_string(first) + " of a set of " + std::to_string(num_jets()) +
                            " jets");
  }
  const std::int64_t begin = offsets[first];
  const std::int64_t end = offsets[first + count];
  JetSet part;
  part.p4 = subrange(p4, 4 * begin, 4 * end);
  if (!species.empty()) part.species = subrange(species, begin, end);
  part.column = subrange(column, begin, end);
  part.label = subrange(label, first, first + count);
  part.offsets = subrange(offsets, first, first + count + 1);
  for (std::int64_t& offset : part.offsets) offset -= begin;
  if (count == 0) return part;

  auto source = source_of(sources, first);
  if (source == sources.end()) source = sources.begin();
  for (; source != sources.end() && source->first_jet < first + count; ++source) {
    const std::int64_t skipped = std::max<std::int64_t>(first - source->first_jet, 0);
    add_source(part.sources,
               {source->file, source->first_jet + skipped - first, source->first_row + skipped});
  }
  return part;
}

void JetSet::append(const JetSet& other) {
  if (&other == this) return append(JetSet(other));
  if (num_constituents() > 0 && other.num_constituents() > 0 &&
      species.empty() != other.species.empty()) {
    throw std::invalid_argument("cannot append jets " +
                                std::string(other.species.empty() ? "without" : "with") +
                                " species to jets " + (species.empty() ? "without" : "with"));
  }
  const std::int64_t jets_before = num_jets();
  const std::int64_t constituents_before = num_constituents();
  append_values(p4, other.p4);
  append_values(species, other.species);
  append_values(column, other.column);
  append_values(label, other.label);
  for (std::int64_t jet = 1; jet <= other.num_jets(); ++jet) {
    offsets.push_back(constituents_before + other.offsets[jet]);
  }
  const bool begins_without_source = other.sources.empty() || other.sources[0].first_jet > 0;
  if (begins_without_source && other.num_jets() > 0 && !sources.empty()) {
    sources.push_back({"", jets_before, 0});  // these jets are not from the last file
  }
  for (const JetSource& source : other.sources) {
    add_source(sources, {source.file, jets_before + source.first_jet, source.first_row});
  }
}

}  // namespace lorentznet
