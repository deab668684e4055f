#include "app/flags.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>

#include "lorentznet/error.h"

namespace lorentznet {
namespace {

constexpr double kAny = -std::numeric_limits<double>::infinity();

std::vector<Flag> published_flags() {
  using A = Arguments;
  std::vector<Flag> flags{
      {"Run", "exp_name", &A::exp_name, "name of the experiment (default: 8 random characters)",
       "NAME"},
      {"Run", "test_mode", &A::test_mode, "test the experiment's best model instead of training",
       ""},
      {"Training", "batch_size", &A::batch_size, "jets a batch", "N", 1},
      {"Data", "num_train", &A::num_train, "training jets, the first of each file (-1: all)", "N",
       -1},
      {"Data", "num_data", &A::num_data, "jets of the data set, the first ones (-1: all)", "N", -1},
      {"Training", "epochs", &A::epochs, "epochs to train", "N", 1},
      {"Training", "warmup_epochs", &A::warmup_epochs, "epochs of warm-up of the learning rate",
       "N"},
      {"Network", "c_weight", &A::c_weight, "weight of the coordinate updates", "C", kAny},
      {"Training", "seed", &A::seed, "seed of initialisation, order and dropout", "N"},
      {"Run", "log_interval", &A::log_interval, "batches between two lines of progress", "N", 1},
      {"Training", "val_interval", &A::val_interval, "epochs between two validations", "N", 1},
      {"Data", "datadir", &A::datadir, "folder of the data set", "DIR"},
      {"Run", "logdir", &A::logdir, "folder of the experiments", "DIR"},
      {"Network", "dropout", &A::dropout, "dropout in the decoder", "P"},
      {"Training", "lr", &A::lr, "learning rate", "R", 0, true},
      {"Network", "n_hidden", &A::n_hidden, "width of the embeddings", "N", 1},
      {"Network", "n_layers", &A::n_layers, "number of LGEBs", "N", 1},
      {"Run", "num_workers", &A::num_workers, "threads that prepare batches ahead", "N"},
      {"Training", "weight_decay", &A::weight_decay, "weight decay of AdamW", "R"},
      {"Run", "local_rank", &A::local_rank, "which GPU, where a launcher gives no LOCAL_RANK", "N"},
  };
  return flags;
}

/// Flags of the other task's program alone.
std::vector<std::string> flags_of_other(const Task& task) {
  return (task.name == top_tagging().name ? quark_gluon_tagging() : top_tagging()).own_flags;
}

void append_our_flags(std::vector<Flag>& flags) {
  using A = Arguments;
  const std::vector<Flag> ours{
      {"Network", "n_nodes", &A::n_nodes, "divide each jet's sum by N nodes (see the README)", "N",
       1},
      {"Network", "pooling", &A::pooling, "what the sum is divided by: batch, constant or jet",
       "HOW"},
      {"Network", "coordinates", &A::coordinates,
       "type of coordinates and products: double, or float as in the Python program", "TYPE"},
      {"Training", "init_from", &A::init_from, "start from this checkpoint's weights", "FILE"},
      {"Network", "no_beams", &A::no_beams, "put no beams before the particles of a jet", ""},
      {"Data", "test_data", &A::test_data, "test exactly these files", "FILE...", 0, false, false},
      {"Data", "on_bad_jet", &A::on_bad_jet,
       "jets that cannot be used: error, or skip up to .1 % of a file", "WHAT", 0, false, false},
      {"Data", "no_cache", &A::no_cache, "do not keep a large data set in a mapped file beside it",
       "", 0, false, false},
      {"Data", "download", &A::download, "fetch the published data set into an empty --datadir", "",
       0, false, false},
      {"Data", "generator", &A::generator, "of the jets to download: pythia or herwig", "NAME", 0,
       false, false},
      {"Data", "with_bc", &A::with_bc, "download the jets with b and c quarks too", "", 0, false,
       false},
      {"Run", "device", &A::device, "cpu, cuda or cuda:K (default: a GPU where there is one)",
       "DEVICE", 0, false, false},
      {"Run", "kernel", &A::kernel, "plain, fused, or auto: fused where it can do what is asked",
       "KERNEL", 0, false, false},
      {"Run", "precision", &A::precision, "of --test_mode: fp32, or bf16 with the fused kernel",
       "TYPE", 0, false, false},
      {"Run", "boost", &A::boost, "test again with all jets boosted along x: equivariance",
       "BETA[,BETA...]", kAny, false, false},
      {"Run", "boost_axis", &A::boost_axis, "axis of --boost: x, y, z, or random for each jet",
       "AXIS", 0, false, false},
      {"Run", "rotate", &A::rotate, "with --boost: rotate each jet at random before", "", 0, false,
       false},
      {"Run", "equivariance", &A::equivariance,
       "with --boost: tell on N jets what rounding moves from what the clamp does", "N", 1, false,
       false},
      {"Run", "report", &A::report, "write report.html behind the test (needs matplotlib)", "", 0,
       false, false},
      {"Run", "verbose", &A::verbose, "or -v: print all lines, on a terminal too", "", 0, false,
       false},
      {"Run", "quiet", &A::quiet, "or -q: print the result alone", "", 0, false, false},
      {"Run", "timeout", &A::timeout,
       "seconds after which a process that does not answer the others hangs", "SECONDS", 1, false,
       false},
      {"Run", "resume", &A::resume, "go on with a training that was stopped", "", 0, false, false},
      {"Run", "overwrite", &A::overwrite, "replace an experiment of this name", "", 0, false,
       false},
  };
  flags.insert(flags.end(), ours.begin(), ours.end());
}

[[noreturn]] void fail(const Flag& flag, const std::string& value, const std::string& expected) {
  throw InputError("--" + flag.name + ": '" + value + "' is not " + expected);
}

/// The whole of `text` as a number. std::from_chars knows no leading '+' and no locale.
template <typename Number>
Number parse_number(const Flag& flag, const std::string& text) {
  constexpr bool whole = std::is_integral_v<Number>;
  Number value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) {
    fail(flag, text, whole ? "a whole number" : "a number");
  }
  const auto as_double = static_cast<double>(value);
  if (!std::isfinite(as_double)) fail(flag, text, "a finite number");
  if (as_double < flag.minimum || (flag.minimum_excluded && as_double == flag.minimum)) {
    fail(flag, text,
         (flag.minimum_excluded ? "above " : "at least ") +
             std::to_string(static_cast<std::int64_t>(flag.minimum)));
  }
  return value;
}

/// Results are JSON, which holds nothing else.
void require_utf8(const Flag& flag, const std::string& text) {
  try {
    static_cast<void>(Json(text).dump());
  } catch (const Json::exception&) {
    fail(flag, "...", "valid UTF-8");
  }
}

std::vector<double> parse_betas(const Flag& flag, const std::string& text) {
  std::vector<double> betas;
  for (std::size_t begin = 0; begin <= text.size();) {
    const auto end = std::min(text.find(',', begin), text.size());
    betas.push_back(parse_number<double>(flag, text.substr(begin, end - begin)));
    if (std::abs(betas.back()) >= 1) fail(flag, text, "between -1 and 1, the velocity of light");
    begin = end + 1;
  }
  return betas;
}

}  // namespace

std::vector<Flag> flags_of(const Task& task) {
  auto flags = published_flags();
  append_our_flags(flags);
  const auto others = flags_of_other(task);
  std::erase_if(flags, [&](const Flag& flag) {
    return std::find(others.begin(), others.end(), flag.name) != others.end();
  });
  return flags;
}

Arguments default_arguments(const Task& task) {
  Arguments arguments;
  arguments.c_weight = task.c_weight;
  arguments.datadir = "./data/" + task.name;
  arguments.logdir = "./logs/" + task.name;
  return arguments;
}

void set_flag(Arguments& arguments, const Flag& flag, const std::string& text) {
  const auto set = [&]<typename Value>(Value Arguments::*member) {
    if constexpr (std::is_same_v<Value, bool>) {
      if (text != "true") fail(flag, text, "expected: it takes no value");
      arguments.*member = true;
    } else if constexpr (std::is_arithmetic_v<Value>) {
      arguments.*member = parse_number<Value>(flag, text);
    } else if constexpr (std::is_same_v<Value, std::string>) {
      require_utf8(flag, text);
      arguments.*member = text;
    } else if constexpr (std::is_same_v<Value, std::vector<double>>) {
      arguments.*member = parse_betas(flag, text);
    } else {
      (arguments.*member).push_back(text);
    }
  };
  std::visit(set, flag.target);
}

Json flag_value(const Arguments& arguments, const Flag& flag) {
  return std::visit([&](auto member) { return Json(arguments.*member); }, flag.target);
}

void set_flag(Arguments& arguments, const Flag& flag, const Json& value) {
  if (value == flag_value(Arguments{}, flag)) {  // "not given" need not be what can be given
    std::visit([&](auto member) { arguments.*member = Arguments{}.*member; }, flag.target);
    return;
  }
  const bool is_text = std::holds_alternative<std::string Arguments::*>(flag.target);
  if (value.is_string() != is_text) fail(flag, value.dump(), "of the right type");
  set_flag(arguments, flag, is_text ? value.get<std::string>() : value.dump());
}

}  // namespace lorentznet
