#include "app/session.h"

#include <ATen/Context.h>
#include <fmt/format.h>
#include <torch/utils.h>

#include <cstdlib>
#include <utility>

#include "app/kernel_choice.h"
#include "app/setup.h"
#include "app/stop_signal.h"
#include "console/console.h"
#include "lorentznet/checkpoint.h"
#include "lorentznet/error.h"
#include "lorentznet/evaluate.h"
#include "lorentznet/metrics.h"
#include "lorentznet/schedule.h"
#include "lorentznet/trainer.h"

namespace lorentznet {
namespace {

/// One run of a program: what its steps share.
class Session {
 public:
  Session(const Task& task, Arguments arguments)
      : task_(task), arguments_(std::move(arguments)), device_(choose_device(arguments_.device)) {
    if (arguments_.exp_name.empty()) arguments_.exp_name = random_name();
    folder_ = RunFolder(arguments_.folder());
  }

  int train() {
    adopt_experiment(arguments_, task_, folder_);
    kernel_ = choose_kernel(arguments_, device_);
    const auto data = read_data();
    rule_ = training_rule(arguments_, task_, data);
    announce(data);
    torch::manual_seed(static_cast<std::uint64_t>(arguments_.seed));
    make_model();
    const bool goes_on = arguments_.resume && std::filesystem::exists(folder_.training_state());
    if (!arguments_.init_from.empty() && !goes_on) load(arguments_.init_from);
    const int stopped = run_training(data);
    if (stopped != 0) return stopped;
    load(folder_.best_model());
    test(data.test);
    return 0;
  }

  int test_only() {
    adopt_trained_network(arguments_, task_, folder_, print);
    kernel_ = choose_kernel(arguments_, device_);
    rule_ = testing_rule(arguments_, task_);
    const auto state = read_state_dict(folder_.best_model());
    check_network(arguments_, state, folder_.best_model(), folder_.args());
    make_model();
    load_model_state(*model_, state, folder_.best_model());
    const auto data = read_data();
    announce(data);
    test(data.test);
    return 0;
  }

 private:
  DataSplits read_data() const {
    const DataSelection selection{.datadir = arguments_.datadir,
                                  .num_train = arguments_.num_train,
                                  .num_data = arguments_.num_data,
                                  .test_only = arguments_.test_mode};
    const bool own_test = !arguments_.test_data.empty();
    DataSplits data;
    if (!own_test || !arguments_.test_mode) data = task_.read_splits(selection);
    if (own_test) data.test = {};
    for (const auto& file : arguments_.test_data) data.test.append(task_.read_file(file));
    if (data.test.num_jets() == 0) {
      throw InputError(arguments_.datadir + ": the test split has no jets");
    }
    return data;
  }

  void announce(const DataSplits& data) const {
    print(rule_.announcement);
    if (!arguments_.test_mode) {
      print(fmt::format(" train samples: {}", data.train.num_jets()));
      print(fmt::format(" {} samples: {}", task_.validation_name, data.val.num_jets()));
    }
    print(fmt::format(" test samples: {}", data.test.num_jets()));
  }

  void make_model() {
    model_ = LorentzNet(network_options(arguments_, task_));
    model_->to(device_);
    print(fmt::format("Network Size: {}", model_->num_parameters()));
    print(use_kernel(*model_, kernel_));
  }

  void load(const std::filesystem::path& file) {
    load_model_state(*model_, read_state_dict(file), file);
  }

  /// After all input has been found to be good: until then nothing that was there is touched.
  void prepare_folder() {
    if (arguments_.overwrite) folder_.remove_results();
    folder_.create();
    folder_.remove_partial_files();
    write_json(folder_.args(), to_json(arguments_, task_));
  }

  int run_training(const DataSplits& data) {
    const WarmupCosineSchedule schedule(arguments_.lr, arguments_.warmup_epochs);
    Trainer trainer(model_, {data.train, data.val, task_, rule_.rule},
                    trainer_options(arguments_, schedule), folder_, print);
    if (arguments_.resume) {
      print(trainer.resume() ? "Going on from " + folder_.training_state().string()
                             : "No state was saved yet: starting at the first epoch");
    }
    prepare_folder();
    const StopSignal signal;
    trainer.run(signal.requested());
    if (!signal.requested()) return 0;
    print(fmt::format("Stopped by signal {}; --exp_name {} --resume goes on from here",
                      signal.number(), arguments_.exp_name));
    return 128 + signal.number();
  }

  PassOptions test_options(double beta) const {
    return {.partition = "test",
            .epochs = arguments_.epochs,
            .batch_size = arguments_.batch_size,
            .num_workers = arguments_.num_workers,
            .log_interval = arguments_.log_interval,
            .beta = beta};
  }

  void test(const JetSet& jets) {
    folder_.create();  // a folder that can't be written is found before the work, not after it
    const auto scores = evaluate(model_, jets, task_, rule_.rule, test_options(0), print).value();
    const auto record = summarize_test(scores);
    auto result = std::filesystem::exists(folder_.train_result())
                      ? read_json(folder_.train_result())
                      : Json::object();
    result.update(to_json(record));
    write_test(folder_.scores(), scores.probability, scores.label, folder_.test_result(), result);
    print(test_line(record));
    for (const double beta : arguments_.boost) test_boosted(jets, beta);
  }

  void test_boosted(const JetSet& jets, double beta) {
    const auto scores =
        evaluate(model_, jets, task_, rule_.rule, test_options(beta), print).value();
    write_json(folder_.boost(beta),
               {{"beta", beta}, {"acc", scores.accuracy}, {"loss", scores.loss}});
    print(fmt::format("Boost: beta {} \t Loss {:.4f} \t Acc {:.4f}", beta, scores.loss,
                      scores.accuracy));
  }

  static std::string test_line(const TestRecord& record) {
    const auto auc = record.auc ? fmt::format("{:.4f}", *record.auc) : "none (jets of one class)";
    const auto rejection = [&](const std::optional<double>& value) {
      return record.auc ? format_rejection(value, record.num_background) : "none";
    };
    return fmt::format("Test: Loss {:.4f} \t Acc {:.4f} \t AUC: {} \t 1/eB 0.3: {} \t 1/eB 0.5: {}",
                       record.loss, record.accuracy, auc, rejection(record.rejection_at_30),
                       rejection(record.rejection_at_50));
  }

  const Task& task_;
  Arguments arguments_;
  at::Device device_;
  RunFolder folder_{""};
  KernelChoice kernel_;
  AnnouncedRule rule_;
  LorentzNet model_{nullptr};
};

/// Several processes in one folder would overwrite each other's results.
void refuse_several_processes() {
  const char* world_size = std::getenv("WORLD_SIZE");
  if (world_size == nullptr || std::string(world_size).empty() || std::string(world_size) == "1") {
    return;
  }
  throw InputError(std::string("WORLD_SIZE is ") + world_size +
                   ": this version trains in one process only");
}

}  // namespace

int run_session(const Task& task, Arguments arguments) {
  refuse_several_processes();
  const bool test_mode = arguments.test_mode;
  Session session(task, std::move(arguments));
  return test_mode ? session.test_only() : session.train();
}

}  // namespace lorentznet
