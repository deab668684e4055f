#include "lorentznet/c.h"

#include <exception>
#include <new>
#include <string>
#include <vector>

#include "io/message.h"
#include "lorentznet/tagger.h"

using lorentznet::JetStatus;

// NOLINTBEGIN(readability-identifier-naming): the names of a C interface
struct lorentznet_tagger {
  lorentznet::Tagger tagger;
};

struct lorentznet_workspace {
  lorentznet::Workspace workspace;
  std::vector<JetStatus> status;
};
// NOLINTEND(readability-identifier-naming)

namespace {

thread_local std::string last_error;

/// f(), or null with the reason in last_error.
template <typename F>
auto null_if_it_throws(F f) noexcept -> decltype(f()) {
  try {
    return f();
  } catch (const std::exception& error) {
    try {
      last_error = lorentznet::in_one_line(error.what());
    } catch (const std::exception&) {
      last_error.clear();  // no memory for the words
    }
    return nullptr;
  }
}

template <typename T>
std::span<const T> view(const T* values, std::size_t count) {
  return {values, values == nullptr ? 0 : count};
}

std::size_t as_size(std::int64_t count) { return count > 0 ? static_cast<std::size_t>(count) : 0; }

/// Numbers of an array of `n` constituents, 0 for more than any array has.
std::size_t sizes(std::int64_t n, std::int64_t width) {
  constexpr std::int64_t kMost = std::int64_t{1} << 40;
  return n < 0 || n > kMost ? 0 : as_size(n * width);
}

}  // namespace

// Every function that others may call; nothing else is visible.
#define LORENTZNET_C extern "C" __attribute__((visibility("default")))

LORENTZNET_C std::int32_t lorentznet_abi_version(void) { return LORENTZNET_ABI_VERSION; }

LORENTZNET_C lorentznet_tagger* lorentznet_open(const char* checkpoint, const char* args_json) {
  return null_if_it_throws([&]() -> lorentznet_tagger* {
    if (checkpoint == nullptr) throw lorentznet::InputError("no checkpoint is named");
    lorentznet::TaggerOptions options;
    if (args_json != nullptr) options.args_json = args_json;
    return new lorentznet_tagger{lorentznet::Tagger::open(checkpoint, options)};
  });
}

LORENTZNET_C void lorentznet_close(lorentznet_tagger* tagger) { delete tagger; }

LORENTZNET_C const char* lorentznet_last_error(void) { return last_error.c_str(); }

LORENTZNET_C lorentznet_inputs lorentznet_get_inputs(const lorentznet_tagger* tagger) {
  const auto& inputs = tagger->tagger.inputs();
  return {static_cast<std::int32_t>(inputs.constituents), inputs.scalars, inputs.classes};
}

LORENTZNET_C const char* lorentznet_metadata(const lorentznet_tagger* tagger) {
  return tagger->tagger.metadata().c_str();
}

LORENTZNET_C const char* lorentznet_fingerprint(const lorentznet_tagger* tagger) {
  return tagger->tagger.fingerprint().c_str();
}

LORENTZNET_C lorentznet_workspace* lorentznet_workspace_new(void) {
  return null_if_it_throws([]() -> lorentznet_workspace* { return new lorentznet_workspace{}; });
}

LORENTZNET_C void lorentznet_workspace_free(lorentznet_workspace* workspace) { delete workspace; }

LORENTZNET_C std::int32_t lorentznet_score(const lorentznet_tagger* tagger,
                                           const lorentznet_jet* jet, float* probabilities,
                                           lorentznet_workspace* workspace) {
  const auto& inputs = tagger->tagger.inputs();
  const lorentznet::JetView view_of_jet{
      .p4 = view(jet->p4, sizes(jet->n, 4)),
      .pdg_id = view(jet->pdg_id, sizes(jet->n, 1)),
      .scalars = view(jet->scalars, sizes(jet->n, inputs.scalars))};
  return static_cast<std::int32_t>(
      tagger->tagger.score(view_of_jet, {probabilities, static_cast<std::size_t>(inputs.classes)},
                           workspace->workspace));
}

LORENTZNET_C std::int64_t lorentznet_score_many(const lorentznet_tagger* tagger,
                                                const lorentznet_jets* jets, float* probabilities,
                                                std::int32_t* status,
                                                lorentznet_workspace* workspace) {
  const auto& inputs = tagger->tagger.inputs();
  const auto count = as_size(jets->jets);
  const auto all = count == 0 ? 0 : jets->offsets[count];
  const lorentznet::JetsView view_of_jets{
      .offsets = {jets->offsets, count == 0 ? 0 : count + 1},
      .p4 = view(jets->p4, sizes(all, 4)),
      .pdg_id = view(jets->pdg_id, sizes(all, 1)),
      .scalars = view(jets->scalars, sizes(all, inputs.scalars))};
  const std::span to(probabilities, count * static_cast<std::size_t>(inputs.classes));
  try {
    if (status != nullptr) workspace->status.assign(count, JetStatus::kArrays);
  } catch (const std::bad_alloc&) {
    return jets->jets;
  }
  const auto failed = tagger->tagger.score(
      view_of_jets, to, workspace->workspace,
      status == nullptr ? std::span<JetStatus>{} : std::span(workspace->status));
  for (std::size_t j = 0; status != nullptr && j < count; ++j) {
    status[j] = static_cast<std::int32_t>(workspace->status[j]);
  }
  return static_cast<std::int64_t>(failed);
}

LORENTZNET_C const char* lorentznet_reason(std::int32_t status) {
  return lorentznet::reason(static_cast<JetStatus>(status)).data();  // literals end with a zero
}
