#pragma once

#include <cstdint>
#include <filesystem>
#include <iosfwd>
#include <set>
#include <string>
#include <vector>

#include "io/json.h"
#include "lorentznet/task.h"

namespace lorentznet {

/// The flags of both programs. Names and defaults are the published scripts', then ours.
struct Arguments {
  std::string exp_name;
  bool test_mode = false;
  std::int64_t batch_size = 32;
  std::int64_t num_train = -1;  ///< top only
  std::int64_t num_data = -1;   ///< quark/gluon only
  std::int64_t epochs = 35;
  std::int64_t warmup_epochs = 5;
  double c_weight = 0;  ///< default depends on the task
  std::int64_t seed = 99;
  std::int64_t log_interval = 100;
  std::int64_t val_interval = 1;
  std::string datadir, logdir;  ///< defaults depend on the task
  double dropout = 0.2;
  double lr = 1e-3;
  std::int64_t n_hidden = 72;
  std::int64_t n_layers = 6;
  std::int64_t num_workers = 4;
  double weight_decay = 1e-2;
  std::int64_t local_rank = 0;  ///< for launchers; the environment's counts, where there is one

  std::vector<std::string> test_data;
  std::string on_bad_jet = "error";  ///< "error" or "skip"
  bool no_beams = false;             ///< top only
  bool no_cache = false;
  bool download = false;
  std::string generator = "pythia";  ///< of the quark/gluon jets to download, or "herwig"
  bool with_bc = false;              ///< download those with b and c quarks
  std::string device;                ///< "cpu", "cuda", "cuda:1"; empty: the GPU where there is one
  std::string kernel = "auto";       ///< "auto", "plain" or "fused"
  std::string precision = "fp32";    ///< of inference: "fp32" or "bf16"
  std::int64_t n_nodes = 0;          ///< 0: not given
  std::string pooling;               ///< "batch", "jet" or "constant"; empty: not given
  std::string coordinates = "double";
  std::vector<double> boost;
  std::string boost_axis = "x";  ///< "x", "y", "z" or "random"
  bool rotate = false;
  std::int64_t equivariance = 0;  ///< jets to study; 0: none
  bool report = false;
  bool verbose = false, quiet = false;
  std::int64_t timeout = 60;  ///< seconds
  bool resume = false;
  bool overwrite = false;
  std::string init_from;

  std::set<std::string> given;  ///< names of the flags on the command line

  std::filesystem::path folder() const { return std::filesystem::path(logdir) / exp_name; }
};

/// What the command line asks for: a run, or a text to print and exit with status 0.
struct CommandLine {
  Arguments arguments;
  std::string text;  ///< of --help or --version; else empty
};

/// Parses the command line of the task's program. \throws InputError naming flag and value
CommandLine parse_command_line(const Task& task, const std::vector<std::string>& words);

/// What args.json holds: the flags that describe a training.
Json to_json(const Arguments& arguments, const Task& task);

/// Takes from `saved`, an args.json, the flags named in `names` that were not given.
/// \param file   where `saved` came from, for messages
/// \throws InputError if one that was given contradicts it, naming both values
void adopt_saved(Arguments& arguments, const Json& saved, const std::vector<std::string>& names,
                 const Task& task, const std::filesystem::path& file);

}  // namespace lorentznet
