#include "lorentznet/jets.h"

#include <algorithm>
#include <numeric>
#include <stdexcept>

#include "lorentznet/error.h"

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

/// Adds a source, unless it only continues the rows of the last one.
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

void append_values(auto& to, const auto& from) { to.append({from.data(), from.size()}); }

/// Of an array that may be empty.
template <typename T>
SharedArray<T> part_if_any(const SharedArray<T>& values, std::int64_t first, std::int64_t count) {
  return values.empty() ? values : values.part(first, count);
}

void require_same(const JetSet& a, const JetSet& b, bool same, const std::string& what) {
  if (same) return;
  throw InputError(a.describe_files() + " and " + b.describe_files() + " do not match: " + what);
}

void require_match(const JetSet& a, const JetSet& b) {
  require_same(a, b, a.species.empty() == b.species.empty(), "one has species, the other has none");
  require_same(a, b, a.num_scalars() == b.num_scalars(),
               std::to_string(a.num_scalars()) + " scalars a particle against " +
                   std::to_string(b.num_scalars()));
  require_same(a, b, a.weight.empty() == b.weight.empty(), "one has weights, the other has none");
  require_same(a, b, a.id.empty() == b.id.empty(), "one has ids, the other has none");
}

}  // namespace

std::int64_t JetSet::num_scalars() const {
  return num_constituents() == 0 ? 0
                                 : static_cast<std::int64_t>(scalars.size()) / num_constituents();
}

std::int64_t JetSet::num_classes() const {
  return label.empty() ? 0 : *std::max_element(label.begin(), label.end()) + 1;
}

bool JetSet::has_labels() const {
  return std::none_of(label.begin(), label.end(), [](std::int8_t value) { return value < 0; });
}

std::vector<std::pair<std::string, std::int64_t>> JetSet::files() const {
  std::vector<std::pair<std::string, std::int64_t>> files;
  for (std::size_t place = 0; place < sources.size(); ++place) {
    const bool is_last = place + 1 == sources.size();
    const auto jets =
        (is_last ? num_jets() : sources[place + 1].first_jet) - sources[place].first_jet;
    const auto same = std::find_if(files.begin(), files.end(), [&](const auto& file) {
      return file.first == sources[place].file;
    });
    if (same != files.end()) {
      same->second += jets;
    } else if (!sources[place].file.empty()) {
      files.emplace_back(sources[place].file, jets);
    }
  }
  return files;
}

std::string JetSet::describe_files() const {
  constexpr std::size_t kMostNames = 3;
  const auto all = files();
  std::string names;
  for (std::size_t place = 0; place < std::min(all.size(), kMostNames); ++place) {
    names += (names.empty() ? "" : ", ") + all[place].first;
  }
  if (all.size() > kMostNames) names += ", ... (" + std::to_string(all.size()) + " files)";
  return names.empty() ? "jets without a file" : names;
}

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
  // Not first + count > num_jets(): the sum could overflow.
  if (first < 0 || count < 0 || first > num_jets() || count > num_jets() - first) {
    throw std::out_of_range("slice of " + std::to_string(count) + " jets from jet " +
                            std::to_string(first) + " of a set of " + std::to_string(num_jets()) +
                            " jets");
  }
  const std::int64_t begin = offsets[first];
  const std::int64_t particles = offsets[first + count] - begin;
  JetSet part;
  part.p4 = p4.part(4 * begin, 4 * particles);
  part.species = part_if_any(species, begin, particles);
  part.column = column.part(begin, particles);
  part.scalars = part_if_any(scalars, num_scalars() * begin, num_scalars() * particles);
  part.label = label.part(first, count);
  part.weight = part_if_any(weight, first, count);
  part.id = part_if_any(id, first, count);
  part.offsets = offsets.part(first, count + 1);
  if (begin != 0) {
    for (std::int64_t& offset : part.offsets.edit()) offset -= begin;
  }
  if (count == 0) return part;

  auto source = source_of(sources, first);
  if (source == sources.end()) source = sources.begin();
  for (; source != sources.end() && source->first_jet < first + count; ++source) {
    const std::int64_t rows_before = std::max<std::int64_t>(first - source->first_jet, 0);
    add_source(part.sources, {source->file, source->first_jet + rows_before - first,
                              source->first_row + rows_before});
  }
  return part;
}

void JetSet::append(const JetSet& other) {
  if (num_jets() == 0 && sources.empty() && skipped.empty()) {
    *this = other;
    return;
  }
  if (&other == this) return append(JetSet(other));
  if (num_jets() > 0 && other.num_jets() > 0) require_match(*this, other);
  const std::int64_t jets_before = num_jets();
  const std::int64_t constituents_before = num_constituents();
  append_values(p4, other.p4);
  append_values(species, other.species);
  append_values(column, other.column);
  append_values(label, other.label);
  append_values(scalars, other.scalars);
  append_values(weight, other.weight);
  append_values(id, other.id);
  for (std::int64_t jet = 1; jet <= other.num_jets(); ++jet) {
    offsets.push_back(constituents_before + other.offsets[jet]);
  }
  skipped.insert(skipped.end(), other.skipped.begin(), other.skipped.end());
  const bool begins_without_source = other.sources.empty() || other.sources[0].first_jet > 0;
  if (begins_without_source && other.num_jets() > 0 && !sources.empty()) {
    sources.push_back({"", jets_before, 0});  // these jets are not from the last file
  }
  for (const JetSource& source : other.sources) {
    add_source(sources, {source.file, jets_before + source.first_jet, source.first_row});
  }
}

void normalize_weights(JetSet& jets) {
  const double sum = std::accumulate(jets.weight.begin(), jets.weight.end(), 0.0);
  if (!(sum > 0)) return;
  const double mean = sum / static_cast<double>(jets.weight.size());
  for (double& weight : jets.weight.edit()) weight /= mean;
}

std::string odd_labels(const JetSet& jets) {
  constexpr std::size_t kMostNamed = 5;
  const auto classes = jets.num_classes();
  std::vector<std::int64_t> count(static_cast<std::size_t>(classes), 0);
  for (const auto label : jets.label) {
    if (label >= 0) ++count[static_cast<std::size_t>(label)];
  }
  std::vector<std::string> missing;
  for (std::int64_t k = 0; k < classes; ++k) {
    if (count[static_cast<std::size_t>(k)] == 0) missing.push_back(std::to_string(k));
  }
  if (classes > 0 && missing.size() + 1 == count.size()) {
    return jets.describe_files() + ": all jets have label " + std::to_string(classes - 1) +
           ", so there is nothing to tell apart";
  }
  if (missing.empty()) return "";
  std::string text = jets.describe_files() + ": labels up to " + std::to_string(classes - 1) +
                     " make " + std::to_string(classes) + " classes, but no jet has label " +
                     missing.front();
  for (std::size_t place = 1; place < std::min(missing.size(), kMostNamed); ++place) {
    text += ", " + missing[place];
  }
  if (missing.size() > kMostNamed) text += ", ... (" + std::to_string(missing.size()) + " labels)";
  return text;
}

}  // namespace lorentznet
