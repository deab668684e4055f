// The tagger against the network's own path from files to logits, and its promises.
#include "lorentznet/tagger.h"

#ifdef __SSE2__
#include <xmmintrin.h>
#endif

#include <algorithm>
#include <catch2/catch.hpp>
#include <cfenv>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <thread>

#include "data/constituents.h"
#include "data/nodes.h"
#include "data/particles.h"
#include "data/probabilities.h"
#include "engine/scratch.h"
#include "io/hash.h"
#include "io/helpers.h"
#include "io/json.h"
#include "lorentznet/c.h"
#include "lorentznet/readers.h"
#include "tagger/allocations.h"
#include "tagger/fingerprint.h"
#include "tagger/jet_model.h"

using namespace lorentznet;
using namespace lorentznet::test;
using Catch::Contains;

namespace {

const std::filesystem::path kProject = LORENTZNET_SOURCE_DIR;

std::filesystem::path shipped(const Task& task) {
  return kProject / "logs" / task.name / "pretrained" / "best-val-model.pt";
}

JetSet jets_of(const Task& task, std::int64_t count) {
  if (task.name == "top") return read_jets(kProject / "data" / "top" / "test.h5", count);
  return read_quark_gluon_jets(kProject / "data" / "qg" / "datasets" / "QG_jets.npz", count);
}

/// A PDG id for a species of the set: any of those without a place for -1.
std::int32_t id_of(std::int8_t species) {
  constexpr std::array<std::int32_t, 8> kIds{11, 13, 22, 130, 211, 321, 2112, 2212};
  return species < 0 ? 3122 : kIds[static_cast<std::size_t>(species)];
}

struct Jets {
  JetSet set;
  std::vector<std::int32_t> ids;

  explicit Jets(const JetSet& jets) : set(jets) {
    for (const auto species : set.species) ids.push_back(id_of(species));
  }
  JetView view(std::int64_t jet) const {
    const auto first = static_cast<std::size_t>(set.offsets[jet]);
    const auto n = static_cast<std::size_t>(set.multiplicity(jet));
    return {
        .p4 = {set.p4.data() + 4 * first, 4 * n},
        .pdg_id = ids.empty() ? std::span<const std::int32_t>{} : std::span(ids).subspan(first, n),
        .scalars = {}};
  }
  JetsView all() const {
    return {.offsets = {set.offsets.data(), set.offsets.size()},
            .p4 = {set.p4.data(), set.p4.size()},
            .pdg_id = ids,
            .scalars = {}};
  }
};

/// The probabilities of a jet along the programs' way: nodes of a JetSet, network, softmax.
std::vector<float> expected(const Task& task, const Network<float>& network, const JetSet& set,
                            std::int64_t jet) {
  std::vector<std::int64_t> rows;
  const auto beams = task.beam_scalars.empty() ? 0 : 2;
  for (int beam = 0; beam < beams; ++beam) rows.push_back(set.num_constituents() + beam);
  for (auto row = set.offsets[jet]; row < set.offsets[jet + 1]; ++row) rows.push_back(row);
  std::vector<double> p4(4 * rows.size());
  std::vector<double> scalars(rows.size() * static_cast<std::size_t>(task.n_scalar));
  write_nodes(set, task, rows, p4.data(), scalars.data());
  const std::vector<float> rounded(scalars.begin(), scalars.end());
  std::vector<float> logits(2), probabilities(2);
  const auto n = static_cast<int>(rows.size());
  network.logits(
      {.n = n, .x = p4.data(), .scalars = rounded.data(), .n_nodes = static_cast<float>(n)},
      logits.data());
  probabilities_of(logits.data(), 2, probabilities.data());
  return probabilities;
}

bool same_bits(std::span<const float> a, std::span<const float> b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size_bytes()) == 0;
}

bool all_nan(std::span<const float> values) {
  return std::all_of(values.begin(), values.end(), [](float value) { return std::isnan(value); });
}

/// A copy of the shipped top network with another description.
template <typename Change>
std::filesystem::path with_description(const TemporaryFolder& folder, Change change) {
  const auto state = read_state_dict(shipped(top_tagging()));
  auto json = Json::parse(Tagger::open(shipped(top_tagging())).metadata());
  change(json);
  write_state_dict(folder / "changed.pt", state, json.dump());
  return folder / "changed.pt";
}

}  // namespace

TEST_CASE("the tagger computes what the programs compute, bit for bit, one by one and together") {
  for (const auto* task : {&top_tagging(), &quark_gluon_tagging()}) {
    CAPTURE(task->name);
    const Jets jets(jets_of(*task, 20));
    const Network<float> network(read_state_dict(shipped(*task)), task->c_weight, Isa::kPortable,
                                 "shipped");
    for (const auto isa : {"portable", "avx2", "avx512"}) {
      if (std::string(isa) == "avx2" && !runs_here(Isa::kAvx2)) continue;
      if (std::string(isa) == "avx512" && !runs_here(Isa::kAvx512)) continue;
      CAPTURE(isa);
      const auto tagger = Tagger::open(shipped(*task), {.args_json = {}, .instruction_set = isa});
      CHECK(tagger.instruction_set() == isa);
      Workspace workspace;
      std::vector<float> together(40), p(2);
      REQUIRE(tagger.score(jets.all(), together, workspace) == 0);
      const auto step = std::string(isa) == "portable" ? 10 : 1;  // it is slow
      for (std::int64_t jet = 0; jet < 20; jet += step) {
        REQUIRE(tagger.score(jets.view(jet), p, workspace) == JetStatus::kScored);
        CHECK(same_bits(p, expected(*task, network, jets.set, jet)));
        CHECK(same_bits(p, std::span(together).subspan(2 * static_cast<std::size_t>(jet), 2)));
      }
    }
  }
}

TEST_CASE("the tagger allocates nothing once its workspace has grown") {
  const auto use_scratch = [] { fused::give_back_scratch(fused::take_scratch(1)); };
  use_scratch();
  const auto at_start = allocations();
  use_scratch();
  if (allocations() > at_start) {
    WARN("a build with sanitizers, in which scratch memory is on the heap");
    return;
  }
  const auto tagger = Tagger::open(shipped(top_tagging()));
  const Jets jets(jets_of(top_tagging(), 30));
  Workspace workspace;
  std::vector<float> p(60);
  std::vector<JetStatus> status(30);
  for (int k = 0; k < 2; ++k) tagger.score(jets.all(), p, workspace, status);
  const auto before = allocations();
  for (int k = 0; k < 2; ++k) tagger.score(jets.all(), p, workspace, status);
  CHECK(allocations() == before);
}

TEST_CASE("the caller's rounding and flushing to zero change no bit, and stay") {
  const auto tagger = Tagger::open(shipped(top_tagging()));
  const Jets jets(jets_of(top_tagging(), 10));
  Workspace workspace;
  std::vector<float> expected_bits(20), p(20);
  REQUIRE(tagger.score(jets.all(), expected_bits, workspace) == 0);
  std::fenv_t before;
  std::fegetenv(&before);
#ifdef __SSE2__
  const auto control = _mm_getcsr();
  _mm_setcsr(control | 0x8040U);  // flush to zero, denormals are zero
#endif
  std::fesetround(FE_UPWARD);
  const auto failed = tagger.score(jets.all(), p, workspace);
  const int rounding = std::fegetround();
#ifdef __SSE2__
  const bool flushes = (_mm_getcsr() & 0x8040U) == 0x8040U;
#else
  const bool flushes = true;
#endif
  std::fesetenv(&before);
  CHECK(failed == 0);
  CHECK(rounding == FE_UPWARD);
  CHECK(flushes);
  CHECK(same_bits(p, expected_bits));
}

TEST_CASE("threads share a tagger, each with a workspace") {
  const auto tagger = Tagger::open(shipped(quark_gluon_tagging()));
  const Jets jets(jets_of(quark_gluon_tagging(), 20));
  std::vector<float> alone(40);
  Workspace workspace;
  REQUIRE(tagger.score(jets.all(), alone, workspace) == 0);
  std::vector<std::vector<float>> found(8, std::vector<float>(40));
  {
    std::vector<std::jthread> threads;
    for (auto& p : found) {
      threads.emplace_back([&] {
        Workspace own;
        tagger.score(jets.all(), p, own);
      });
    }
  }
  for (const auto& p : found) CHECK(same_bits(p, alone));
}

TEST_CASE("a jet that can't be scored has a status, and NaN as its probabilities") {
  const auto top = Tagger::open(shipped(top_tagging()));
  const auto quark_gluon = Tagger::open(shipped(quark_gluon_tagging()));
  Workspace workspace;
  const auto status = [&](const Tagger& tagger, std::vector<double> p4,
                          std::vector<std::int32_t> ids = {}, std::vector<double> scalars = {}) {
    std::vector<float> p{0.5F, 0.5F};
    const auto found =
        tagger.score(JetView{.p4 = p4, .pdg_id = ids, .scalars = scalars}, p, workspace);
    CHECK(all_nan(p) == (found != JetStatus::kScored));
    CHECK(reason(found).empty() == (found == JetStatus::kScored));
    return found;
  };
  constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
  const std::vector<double> good{10, 1, 2, 3};
  CHECK(status(top, good) == JetStatus::kScored);
  CHECK(status(top, {}) == JetStatus::kEmpty);
  CHECK(status(top, {10, 1, 2}) == JetStatus::kArrays);
  CHECK(status(top, {10, 1, kNaN, 3}) == JetStatus::kNotFinite);
  CHECK(status(top, {1e13, 1, 2, 3}) == JetStatus::kEnergy);
  CHECK(status(top, {-10, 1, 2, 3}) == JetStatus::kEnergy);
  CHECK(status(top, {1, 2, 3, 10}) == JetStatus::kMomentum);
  CHECK(status(top, good, {211}) == JetStatus::kArrays);
  CHECK(status(top, good, {}, {1}) == JetStatus::kArrays);
  CHECK(status(quark_gluon, good, {-211}) == JetStatus::kScored);
  CHECK(status(quark_gluon, good) == JetStatus::kArrays);
  for (const auto id : {0, 999999, std::numeric_limits<std::int32_t>::min()}) {
    CHECK(status(quark_gluon, good, {id}) == JetStatus::kUnknownParticle);
  }
  std::vector<double> many;
  for (int k = 0; k <= kMostConstituents; ++k) many.insert(many.end(), good.begin(), good.end());
  CHECK(status(top, many) == JetStatus::kTooMany);

  // Among good jets: only its own row.
  const std::vector<std::int64_t> offsets{0, 1, 1, 2};
  std::vector<double> p4 = good;
  p4.insert(p4.end(), good.begin(), good.end());
  std::vector<float> p(6);
  std::vector<JetStatus> statuses(3);
  CHECK(top.score(JetsView{.offsets = offsets, .p4 = p4, .pdg_id = {}, .scalars = {}}, p, workspace,
                  statuses) == 1);
  CHECK(statuses == std::vector{JetStatus::kScored, JetStatus::kEmpty, JetStatus::kScored});
  CHECK(same_bits(std::span(p).first(2), std::span(p).last(2)));
  CHECK(all_nan(std::span(p).subspan(2, 2)));
  // Nothing is read or written where sizes do not fit.
  const std::vector<std::int64_t> falling{0, 2, 1};
  p.assign(4, 0.5F);
  CHECK(top.score(JetsView{.offsets = falling, .p4 = good, .pdg_id = {}, .scalars = {}}, p,
                  workspace) == 2);
  CHECK(p == std::vector<float>(4, 0.5F));
}

TEST_CASE("a checkpoint's test jets must come out") {
  const TemporaryFolder folder;
  const auto good = with_description(folder, [](Json&) {});
  CHECK(Tagger::open(good).inputs().task == "top");
  CHECK(Json::parse(Tagger::open(good).metadata()).at("tests").size() == 4);
  const auto error = [&](auto change) {
    const auto file = with_description(folder, change);
    return input_error_naming(file, [&] { Tagger::open(file); });
  };
  CHECK_THAT(error([](Json& json) {
               auto& p = json["tests"][2]["probabilities"][0];
               p = std::nextafter(p.get<float>(), 1.0F);
             }),
             Contains("test jet 2 has the probability"));
  CHECK_THAT(error([](Json& json) { json["c_weight"] = 4e-3; }), Contains("test jet"));
  CHECK_THAT(error([](Json& json) { json["n_hidden"] = 71; }), Contains("n_hidden is 71"));
  CHECK_THAT(error([](Json& json) { json["coordinates"] = "float"; }), Contains("coordinates"));
  CHECK_THAT(error([](Json& json) { json["tests"][0]["p4"][0] = "x"; }), Contains("p4 is"));
  CHECK_THAT(error([](Json& json) { json["tests"][1]["p4"].erase(0); }), Contains("test jet 1: "));
  CHECK_THAT(error([](Json& json) { json["task"] = "qg"; }), Contains("n_scalar is 2"));
}

TEST_CASE("a network that is not finite gets no test jets") {
  auto state = read_state_dict(shipped(top_tagging()));
  const auto description = *read_description(shipped(top_tagging()));
  CHECK(make_tests(description, state).size() == 4);
  for (auto& [name, array] : state) {
    if (name != "graph_dec.3.bias") continue;
    array = Array({2}, std::vector<float>{std::numeric_limits<float>::quiet_NaN(), 0});
  }
  CHECK(make_tests(description, state).empty());
}

TEST_CASE("a checkpoint that does not describe itself needs args.json") {
  const TemporaryFolder folder;
  const auto state = read_state_dict(shipped(top_tagging()));
  write_state_dict(folder / "a.pt", state);
  CHECK_THAT(input_error_naming(folder / "a.pt", [&] { Tagger::open(folder / "a.pt"); }),
             Contains("args.json"));
  write_file(folder, "args.json", R"({"c_weight": 0.005, "pooling": "jet"})");
  const Jets jets(jets_of(top_tagging(), 3));
  std::vector<float> p(6), described(6);
  Workspace workspace;
  const auto tagger = Tagger::open(folder / "a.pt");
  CHECK(Json::parse(tagger.metadata()).at("c_weight") == 0.005);
  CHECK(tagger.score(jets.all(), p, workspace) == 0);
  CHECK(Tagger::open(shipped(top_tagging())).score(jets.all(), described, workspace) == 0);
  CHECK(same_bits(p, described));
  const auto bad = write_file(folder, "bad.json", R"({"c_weight": "x"})");
  CHECK_THAT(
      input_error_naming(
          bad, [&] { Tagger::open(folder / "a.pt", {.args_json = bad, .instruction_set = {}}); }),
      Contains("c_weight is"));
}

TEST_CASE("the C interface gives the same bits, and errors as words") {
  const auto file = shipped(quark_gluon_tagging());
  CHECK(lorentznet_abi_version() == LORENTZNET_ABI_VERSION);
  CHECK(lorentznet_open((file.string() + "x").c_str(), nullptr) == nullptr);
  CHECK_THAT(lorentznet_last_error(), Contains("best-val-model.ptx: cannot be opened"));
  CHECK(lorentznet_open(nullptr, nullptr) == nullptr);
  auto* const tagger = lorentznet_open(file.c_str(), nullptr);
  REQUIRE(tagger != nullptr);
  const auto inputs = lorentznet_get_inputs(tagger);
  CHECK(inputs.constituents == LORENTZNET_PDG_IDS);
  CHECK(inputs.classes == 2);
  auto* const workspace = lorentznet_workspace_new();
  const Jets jets(jets_of(quark_gluon_tagging(), 5));
  const lorentznet_jets all{5, jets.set.offsets.data(), jets.set.p4.data(), jets.ids.data(),
                            nullptr};
  std::vector<float> p(10), own(10), one(2);
  std::vector<std::int32_t> status(5, 7);
  CHECK(lorentznet_score_many(tagger, &all, p.data(), status.data(), workspace) == 0);
  CHECK(status == std::vector<std::int32_t>(5, 0));
  Workspace of_cpp;
  CHECK(Tagger::open(file).score(jets.all(), own, of_cpp) == 0);
  CHECK(same_bits(p, own));
  const lorentznet_jet first{jets.set.multiplicity(0), jets.set.p4.data(), jets.ids.data(),
                             nullptr};
  CHECK(lorentznet_score(tagger, &first, one.data(), workspace) == 0);
  CHECK(same_bits(one, std::span(p).first(2)));
  const lorentznet_jet empty{0, nullptr, nullptr, nullptr};
  CHECK_THAT(lorentznet_reason(lorentznet_score(tagger, &empty, one.data(), workspace)),
             Contains("no constituents"));
  CHECK(all_nan(one));
  CHECK(lorentznet_fingerprint(tagger) == sha256_of_file(file));
  lorentznet_workspace_free(workspace);
  lorentznet_close(tagger);
  lorentznet_close(nullptr);
}

TEST_CASE("SHA-256 is OpenSSL's") {
  std::mt19937 random(3);
  std::string bytes;
  for (int size = 0; size < 300; ++size) {
    Sha256 other;
    other.add(bytes);
    REQUIRE(sha256_of(bytes) == other.finish());
    bytes += static_cast<char>(random());
  }
}

TEST_CASE("psi and softmax are those of long double, rounded") {
  std::mt19937_64 random(5);
  std::uniform_real_distribution<double> exponent(-18, 12), logit(-40, 40);
  for (int k = 0; k < 20000; ++k) {
    const double mass = std::pow(10, exponent(random));
    const auto exact = std::log1p(static_cast<long double>(mass));
    REQUIRE(std::abs(psi_of_mass(mass) - exact) <= 4e-16L * exact);
    const float logits[3] = {static_cast<float>(logit(random)), static_cast<float>(logit(random)),
                             0};
    float p[3];
    probabilities_of(logits, 3, p);
    long double sum = 0;
    for (const float l : logits) sum += std::exp(static_cast<long double>(l));
    for (int c = 0; c < 3; ++c) {
      const auto q = std::exp(static_cast<long double>(logits[c])) / sum;
      REQUIRE(std::abs(p[c] - q) <= 6e-8L * q);
    }
  }
  CHECK(psi_of_mass(0) == 0);
  const float extreme[2] = {3e38F, -3e38F};
  float p[2];
  probabilities_of(extreme, 2, p);
  CHECK(p[0] == 1);
  CHECK(p[1] == 0);
  const float infinite[2] = {std::numeric_limits<float>::infinity(), 0};
  probabilities_of(infinite, 2, p);
  CHECK(all_nan(p));
}
