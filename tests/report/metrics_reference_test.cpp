#include <catch2/catch.hpp>
#include <cmath>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "io/arrays.h"
#include "lorentznet/metrics.h"
#include "support.h"

// The published scores must give the published figures. If the reference files are missing, these
// tests are skipped.
namespace {

namespace fs = std::filesystem;

std::vector<float> read_floats(const fs::path& path) {
  const std::vector<double> values = lorentznet::test::read_npy(path).values;
  return {values.begin(), values.end()};
}

struct Tagger {
  std::string file;
  double published_auc;  // five decimals
  double auc;            // scikit-learn 1.9.1, of the scores as float
};

bool near(double value, double expected, double relative) {
  return std::abs(value - expected) <= relative * std::abs(expected);
}

}  // namespace

TEST_CASE("the published quark/gluon scores give the published figures") {
  const std::optional<fs::path> reference = lorentznet::test::reference_dir();
  if (!reference) {
    lorentznet::test::skip("no reference files");
    return;
  }
  const std::vector<float> rows = read_floats(*reference / "qg" / "score.npy");
  std::vector<float> probability;
  std::vector<std::int8_t> label;
  for (std::size_t i = 0; i < rows.size(); i += 3) {
    label.push_back(static_cast<std::int8_t>(rows[i]));
    probability.insert(probability.end(), {rows[i + 1], rows[i + 2]});
  }
  REQUIRE(label.size() == 200000);

  const lorentznet::ScoreSummary summary = lorentznet::summarize(probability, label);
  CHECK(summary.accuracy == 0.84424);
  CHECK(near(summary.auc, 0.9161349967499999, 1e-12));
  CHECK(std::abs(summary.loss - 0.3667758203125) <= 1e-7);
  REQUIRE(summary.rejection_at_30);
  REQUIRE(summary.rejection_at_50);
  CHECK(near(*summary.rejection_at_30, 112.86681715575621, 1e-12));
  CHECK(near(*summary.rejection_at_50, 43.15925766076823, 1e-12));
}

TEST_CASE("seven published top taggers' scores give their published AUC") {
  const std::optional<fs::path> reference = lorentznet::test::reference_dir();
  if (!reference) {
    lorentznet::test::skip("no reference files");
    return;
  }
  const fs::path folder = *reference / "top" / "scores";
  const std::vector<double> truth = lorentznet::test::read_npy(folder / "labels.npy").values;
  const std::vector<std::int8_t> label(truth.begin(), truth.end());
  REQUIRE(label.size() == 404000);
  const std::vector<Tagger> taggers = {
      {"EFN_v0.npy", 0.97909, 0.9790889675605824},
      {"EFP_v0.npy", 0.98033, 0.9803312859285901},
      {"P-CNN_v2.npy", 0.98028, 0.9802825331749243},
      {"PFN_v0.npy", 0.98208, 0.9820817762591124},
      {"ParticleNet_v2.npy", 0.98477, 0.9847724638853333},
      {"ResNeXt50_v2.npy", 0.98372, 0.9837151719575878},
      {"topodnn_v2.npy", 0.97141, 0.9714127204825134},
  };
  for (const Tagger& tagger : taggers) {
    INFO(tagger.file);
    const double auc = lorentznet::roc_auc(read_floats(folder / tagger.file), label);
    CHECK(std::abs(auc - tagger.published_auc) <= 0.5e-5);
    CHECK(near(auc, tagger.auc, 1e-12));
  }

  const auto curve = lorentznet::roc_curve(read_floats(folder / "ParticleNet_v2.npy"), label);
  CHECK(curve.threshold.size() == 75157);  // as scikit-learn 1.9.1
  CHECK(near(background_rejection(curve, 0.3).value(), 1294.3205128205127, 1e-12));
  CHECK(near(background_rejection(curve, 0.5).value(), 329.3866231647634, 1e-12));
}
