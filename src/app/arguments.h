#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "io/json.h"
#include "lorentznet/batch.h"
#include "lorentznet/isa.h"
#include "lorentznet/lorentznet.h"
#include "lorentznet/task.h"

namespace lorentznet {

enum class KernelChoice { kAuto, kPlain, kFused, kHalf };
enum class OnBadJet { kError, kSkip };

/// The values of the flags of both programs: first those of the published scripts, with their
/// defaults, then ours. The table of flags (flags.cpp) describes them.
struct Arguments {
  std::string exp_name;
  bool test_mode = false;
  std::int64_t batch_size = 32;
  std::int64_t num_train = -1;
  std::int64_t num_data = -1;
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
  std::int64_t local_rank = 0;  ///< used if the launcher tells none

  std::int64_t n_nodes = 0;        ///< 0: not given
  std::optional<Pooling> pooling;  ///< empty: not given
  Coordinates coordinates = Coordinates::kDouble;
  std::string init_from;
  bool no_beams = false;
  std::vector<std::string> test_data;
  std::string out;  ///< folder of the results of a test; empty: the experiment's
  OnBadJet on_bad_jet = OnBadJet::kError;
  bool no_cache = false;
  bool download = false;
  Generator generator = Generator::kPythia;
  bool with_bc = false;
  std::string device;  ///< "cpu", "cuda", "cuda:1"; empty: a GPU if there is one
  KernelChoice kernel = KernelChoice::kAuto;
  std::vector<double> boost;
  Frame::Axis boost_axis = Frame::Axis::kX;
  bool rotate = false;
  std::int64_t equivariance = 0;  ///< jets to study; 0: none
  bool report = false;
  bool verbose = false, quiet = false;
  std::int64_t timeout = 60;  ///< seconds
  bool resume = false;
  bool overwrite = false;

  std::set<std::string> given;       ///< names of the flags on the command line
  std::vector<std::string> command;  ///< the command line, the program first

  std::filesystem::path folder() const { return std::filesystem::path(logdir) / exp_name; }
};

/// What the command line asks for: a run, or a text to print.
struct CommandLine {
  Arguments arguments;
  std::string text;  ///< of --help or --version; empty: a run
};

/// Parses the command line of the task's program. \throws InputError naming flag and value
CommandLine parse_command_line(const Task& task, const std::vector<std::string>& words);

/// The command that continues a stopped training, for a shell: what args.json does not hold is
/// given again.
std::string resume_command(const Arguments& arguments, const Task& task);

/// Contents of args.json: the flags that describe a training.
Json to_json(const Arguments& arguments, const Task& task);

/// Sets the flags in `names` that were not given to their values in `saved`, an args.json.
/// \param file   the origin of `saved`, for messages
/// \throws InputError if a flag that was given contradicts it, with both values
void adopt_saved(Arguments& arguments, const Json& saved, const std::vector<std::string>& names,
                 const Task& task, const std::filesystem::path& file);

}  // namespace lorentznet
