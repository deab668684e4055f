#include "app/test_run.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "app/report_command.h"
#include "app/test_results.h"
#include "model/frame.h"
#include "train/equivariance.h"

namespace lorentznet {
namespace {

class TestRun {
 public:
  TestRun(TestSubject subject, const Arguments& arguments, const RunFolder& folder)
      : subject_(std::move(subject)), arguments_(arguments), folder_(folder) {}

  void at_rest(const JetSet& jets) {
    const auto scores = scores_of(jets, {});
    if (leads()) write_test_results(scores, folder_, subject_.print);
  }

  void boosted(const JetSet& jets, double beta) {
    const auto scores = scores_of(jets, frame(beta));
    if (!leads()) return;
    Json record{{"beta", beta}, {"acc", scores.accuracy}, {"loss", scores.loss}};
    if (arguments_.given.contains("boost_axis")) record["axis"] = arguments_.boost_axis;
    if (arguments_.rotate) record["rotated"] = true;
    write_json(folder_.boost(beta), record);
    subject_.print.result(fmt::format("Boost: beta {} \t Loss {:.4f} \t Acc {:.4f}", beta,
                                      scores.loss, scores.accuracy));
  }

  void study_of_frames(const JetSet& jets) {
    const EquivarianceOptions options{.jets = std::min(arguments_.equivariance, jets.num_jets()),
                                      .betas = arguments_.boost,
                                      .frame = frame(0),
                                      .batch_size = arguments_.batch_size};
    write_json(folder_.equivariance(), study_equivariance(subject_.model, jets, subject_.task,
                                                          subject_.rule, options, subject_.print));
  }

  bool leads() const { return subject_.ranks->rank() == 0; }

 private:
  Frame frame(double beta) const {
    return {.beta = beta,
            .axis = parse_axis(arguments_.boost_axis),
            .rotates = arguments_.rotate,
            .seed = static_cast<std::uint64_t>(arguments_.seed)};
  }

  Scores scores_of(const JetSet& jets, const Frame& frame) {
    const PassOptions options{.partition = "test",
                              .epochs = arguments_.epochs,
                              .batch_size = arguments_.batch_size,
                              .num_workers = arguments_.num_workers,
                              .log_interval = arguments_.log_interval,
                              .ranks = subject_.ranks,
                              .frame = frame,
                              .observer = subject_.observer};
    return evaluate(subject_.model, jets, subject_.task, subject_.rule, options, subject_.print)
        .value();
  }

  TestSubject subject_;
  const Arguments& arguments_;
  const RunFolder& folder_;
};

}  // namespace

void run_test(TestSubject subject, const JetSet& jets, const Arguments& arguments,
              const RunFolder& folder) {
  const Log& print = subject.print;
  TestRun run(std::move(subject), arguments, folder);
  run.at_rest(jets);
  for (const double beta : arguments.boost) run.boosted(jets, beta);
  if (!run.leads()) return;
  if (arguments.equivariance > 0) run.study_of_frames(jets);
  if (arguments.report) {
    make_report(folder.path());
    print.info("Report: " + folder.report().string());
  }
}

}  // namespace lorentznet
