#include "train/equivariance.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/log.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/softmax.h>
#include <fmt/format.h>
#include <torch/utils.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <memory>
#include <span>
#include <string>

#include "kernels/plain_kernel.h"
#include "lorentznet/checkpoint.h"
#include "model/frame.h"
#include "train/loader.h"
#include "train/pass.h"

namespace lorentznet {
namespace {

/// A precision, with the clamp or without.
struct Variant {
  std::string name;
  Coordinates coordinates;
  at::ScalarType type;
  bool clamps;
};

std::vector<Variant> all_variants() {
  std::vector<Variant> variants;
  for (const bool clamps : {true, false}) {
    const std::string clamp = clamps ? ", clamp" : ", no clamp";
    variants.push_back({"float" + clamp, Coordinates::kNetwork, at::kFloat, clamps});
    variants.push_back({"mixed" + clamp, Coordinates::kDouble, at::kFloat, clamps});
    variants.push_back({"double" + clamp, Coordinates::kDouble, at::kDouble, clamps});
  }
  return variants;
}

/// The network in one variant, and the translations that it has counted.
struct StudiedNetwork {
  LorentzNet model{nullptr};
  std::shared_ptr<TranslationCount> count = std::make_shared<TranslationCount>();
  LGEBKernels kernels = {};
};

StudiedNetwork copy_as(LorentzNet& model, const Variant& variant) {
  StudiedNetwork copy;
  auto options = model->options();
  options.coordinates = variant.coordinates;
  copy.model = LorentzNet(options);
  load_model_state(*copy.model, model_state(*model), "the network under study");
  copy.model->set_type(variant.type);
  copy.model->eval();
  const double bound = variant.clamps ? TranslationRule::kBound : kNoBound;
  copy.kernels = plain_kernels(single_process(), {.bound = bound, .count = copy.count});
  return copy;
}

/// One variant's scores of N jets in one frame.
struct Answers {
  at::Tensor p;        // [N, K] double
  at::Tensor label;    // [N]
  at::Tensor weight;   // [N] double
  double clamped = 0;  // fraction of the translations
};

class Study {
 public:
  Study(const JetSet& set, const Task& task, const PoolingRule& rule,
        const EquivarianceOptions& options)
      : set_(set), task_(task), rule_(rule), options_(options) {}

  Answers ask(StudiedNetwork& network, const Frame& frame) const {
    *network.count = {};
    std::vector<at::Tensor> p, label, weight;
    const auto order = file_order(options_.jets);
    for (std::int64_t begin = 0; begin < options_.jets; begin += options_.batch_size) {
      const auto count = std::min(options_.batch_size, options_.jets - begin);
      const auto jets = std::span(order).subspan(static_cast<std::size_t>(begin),
                                                 static_cast<std::size_t>(count));
      const auto batch = make_batch(set_, jets, task_, rule_, false);
      p.push_back(at::softmax(
          network.model->forward(seen_from(batch, frame), network.kernels).to(at::kDouble), 1));
      label.push_back(batch.label);
      weight.push_back(batch.weight.defined() ? batch.weight
                                              : at::ones({batch.num_jets()}, at::kDouble));
    }
    return {.p = at::cat(p),
            .label = at::cat(label),
            .weight = at::cat(weight),
            .clamped = network.count->fraction()};
  }

  /// Jets count by their weights in means; the largest shift is that of any jet.
  static Json compare(const Answers& answers, const Answers& at_rest) {
    const auto shift = (answers.p - at_rest.p).select(1, 1);
    const auto right = tagged_right(answers.p, answers.label).to(at::kDouble);
    const auto of_label = answers.p.gather(1, answers.label.unsqueeze(1));
    const auto mean = [&](const at::Tensor& values) {
      return ((values * answers.weight).sum() / answers.weight.sum()).item<double>();
    };
    return {{"acc", mean(right)},
            {"loss", -mean(at::log(of_label).squeeze(1))},
            {"rms_shift", std::sqrt(mean(shift.square()))},
            {"max_shift", shift.abs().max().item<double>()},
            {"clamped", answers.clamped}};
  }

 private:
  const JetSet& set_;
  const Task& task_;
  const PoolingRule& rule_;
  const EquivarianceOptions& options_;
};

/// The frame at rest, then one for each boost.
std::vector<Frame> frames_of(const EquivarianceOptions& options) {
  std::vector<Frame> frames{Frame{}};
  for (const double beta : options.betas) {
    frames.push_back(options.frame);
    frames.back().beta = beta;
  }
  return frames;
}

/// The result without figures.
Json describe(const EquivarianceOptions& options, const std::vector<Frame>& frames) {
  Json result{{"jets", options.jets},
              {"axis", options.frame.axis_name()},
              {"rotated", options.frame.rotates},
              {"seed", options.frame.seed},
              {"frames", Json::array()}};
  for (const auto& frame : frames) {
    result["frames"].push_back(
        {{"beta", frame.beta}, {"gamma", gamma_of(frame.beta)}, {"variants", Json::object()}});
  }
  return result;
}

}  // namespace

Json study_equivariance(LorentzNet& model, const JetSet& set, const Task& task,
                        const PoolingRule& rule, const EquivarianceOptions& options,
                        const Log& log) {
  const torch::NoGradGuard no_grad;
  const Study study(set, task, rule, options);
  const auto frames = frames_of(options);
  auto result = describe(options, frames);
  for (const auto& variant : all_variants()) {
    auto network = copy_as(model, variant);
    const auto at_rest = study.ask(network, frames.front());
    for (std::size_t k = 0; k < frames.size(); ++k) {
      const auto answers = k == 0 ? at_rest : study.ask(network, frames[k]);
      const auto figures = Study::compare(answers, at_rest);
      result["frames"][k]["variants"][variant.name] = figures;
      log.info(fmt::format(
          "Equivariance: {} \t beta {} \t Acc {:.4f} \t RMS shift {:.2e} \t Clamped {:.4f}",
          variant.name, frames[k].beta, figures["acc"].get<double>(),
          figures["rms_shift"].get<double>(), figures["clamped"].get<double>()));
    }
  }
  return result;
}

}  // namespace lorentznet
