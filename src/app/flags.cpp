#include "app/flags.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

#include "io/message.h"
#include "lorentznet/error.h"

namespace lorentznet {
namespace {

using A = Arguments;

constexpr double kUnlimited = std::numeric_limits<double>::infinity();
constexpr double kAny = -kUnlimited;

/// \tparam member  of an enumeration type E, or of std::optional<E>
template <auto member>
Choice choice(std::vector<std::string> words) {
  using Value = std::decay_t<decltype(A{}.*member)>;
  using Index = std::optional<std::size_t>;
  if constexpr (std::is_enum_v<Value>) {
    return {.words = std::move(words),
            .get = [](const A& a) -> Index { return static_cast<std::size_t>(a.*member); },
            .set = [](A& a, Index k) { a.*member = static_cast<Value>(k.value()); }};
  } else {
    using E = typename Value::value_type;
    const auto get = [](const A& a) {
      return a.*member ? Index(static_cast<std::size_t>(*(a.*member))) : Index();
    };
    const auto set = [](A& a, Index k) { a.*member = k ? Value(static_cast<E>(*k)) : Value(); };
    return {.words = std::move(words), .get = get, .set = set};
  }
}

/// Flags that describe a training: args.json holds them, the published scripts' first.
std::vector<Flag> saved_flags() {
  return {
      {"Run", "exp_name", &A::exp_name, "name of the experiment (default: 8 random characters)",
       "NAME"},
      {"Run", "test_mode", &A::test_mode, "test the experiment's best model instead of training",
       ""},
      {"Training", "batch_size", &A::batch_size, "jets in a batch", "N", 1, 1e6},
      {"Data", "num_train", &A::num_train, "training jets, from the start of each file (-1: all)",
       "N", -1, 1e12},
      {"Data", "num_data", &A::num_data, "jets to use, from the start of the data set (-1: all)",
       "N", -1, 1e12},
      {"Training", "epochs", &A::epochs, "number of epochs", "N", 1, 1e6},
      {"Training", "warmup_epochs", &A::warmup_epochs, "epochs of learning-rate warm-up", "N"},
      {"Network", "c_weight", &A::c_weight, "weight of the coordinate updates", "C", kAny},
      {"Training", "seed", &A::seed, "seed of initialisation, order of the jets and dropout", "N"},
      {"Run", "log_interval", &A::log_interval, "batches from one line of progress to the next",
       "N", 1},
      {"Training", "val_interval", &A::val_interval, "epochs from one validation to the next", "N",
       1},
      {"Data", "datadir", &A::datadir, "folder of the data set", "DIR"},
      {"Run", "logdir", &A::logdir, "folder of the experiments", "DIR"},
      {"Network", "dropout", &A::dropout, "dropout probability in the decoder", "P"},
      {"Training", "lr", &A::lr, "learning rate", "R", 0, kUnlimited, true},
      {"Network", "n_hidden", &A::n_hidden, "width of the embeddings", "N", 1, 4096},
      {"Network", "n_layers", &A::n_layers, "number of LGEB layers", "N", 1, 512},
      {"Run", "num_workers", &A::num_workers, "threads that prepare batches in advance", "N", 0,
       1024},
      {"Training", "weight_decay", &A::weight_decay, "weight decay of AdamW", "R"},
      {"Run", "local_rank", &A::local_rank, "GPU to use if the launcher sets no LOCAL_RANK", "N"},
      {"Network", "n_nodes", &A::n_nodes, "divide each jet's sum by N nodes (see the README)", "N",
       1, 1e6},
      {"Network", "pooling", choice<&A::pooling>({kPoolingNames.begin(), kPoolingNames.end()}),
       "what each jet's sum is divided by: batch, constant or jet", "HOW"},
      {"Network", "coordinates",
       choice<&A::coordinates>({kCoordinatesNames.begin(), kCoordinatesNames.end()}),
       "type of coordinates and products: double, or float as in the Python program", "TYPE"},
      {"Training", "init_from", &A::init_from, "start from the weights in this checkpoint", "FILE"},
      {"Network", "no_beams", &A::no_beams, "do not add the two beams to the particles of a jet",
       ""},
  };
}

/// Flags of this run alone.
std::vector<Flag> unsaved_flags() {
  const auto& axes = Frame::kAxisNames;
  return {
      {"Data", "test_data", &A::test_data, "test these files instead of the data set's", "FILE..."},
      {"Run", "out", &A::out, "folder for the results of --test_mode (default: the experiment's)",
       "DIR"},
      {"Data", "on_bad_jet", choice<&A::on_bad_jet>({"error", "skip"}),
       "what to do about unusable jets: error, or skip up to 0.1 % of a file", "WHAT"},
      {"Data", "no_cache", &A::no_cache, "do not cache a large data set in a file beside it", ""},
      {"Data", "download", &A::download,
       "download the published data set to an empty --datadir; with --test_mode --exp_name "
       "published also the published network",
       ""},
      {"Data", "generator", choice<&A::generator>({"pythia", "herwig"}),
       "generator of the jets to download: pythia or herwig", "NAME"},
      {"Data", "with_bc", &A::with_bc, "download also jets with b and c quarks", ""},
      {"Run", "device", &A::device, "cpu, cuda or cuda:K (default: a GPU if there is one)",
       "DEVICE"},
      {"Run", "kernel", choice<&A::kernel>({"auto", "plain", "fused", "half"}),
       "plain, fused, or auto: fused if it can compute this network; half: fused on a GPU with "
       "16-bit products, faster and less accurate",
       "KERNEL"},
      {"Run", "boost", &A::boost, "test again with all jets boosted, to check the equivariance",
       "BETA[,BETA...]", kAny},
      {"Run", "boost_axis", choice<&A::boost_axis>({axes.begin(), axes.end()}),
       "axis of --boost: x, y, z, or random for each jet", "AXIS"},
      {"Run", "rotate", &A::rotate, "with --boost: first rotate each jet at random", ""},
      {"Run", "equivariance", &A::equivariance,
       "with --boost: measure on N jets the effects of rounding and of the clamp", "N", 1},
      {"Run", "report", &A::report, "write report.html after the test (needs matplotlib)", ""},
      {"Run", "verbose", &A::verbose, "or -v: print all lines, also on a terminal", ""},
      {"Run", "quiet", &A::quiet, "or -q: print only the result", ""},
      {"Run", "timeout", &A::timeout, "seconds without an answer after which a process is hung",
       "SECONDS", 1, 1e6},
      {"Run", "resume", &A::resume, "continue a training that was stopped", ""},
      {"Run", "overwrite", &A::overwrite, "replace the experiment of this name", ""},
  };
}

[[noreturn]] void fail(const Flag& flag, const std::string& value, const std::string& expected) {
  throw InputError("--" + flag.name + ": " + in_quotes(value) + " is not " + expected);
}

/// The whole of `text` as a number; neither a leading '+' nor the locale counts.
template <typename Number>
Number parse_number(const Flag& flag, const std::string& text) {
  constexpr bool kWhole = std::is_integral_v<Number>;
  Number value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) {
    fail(flag, text, kWhole ? "a whole number" : "a number");
  }
  const auto as_double = static_cast<double>(value);
  if (!std::isfinite(as_double)) fail(flag, text, "a finite number");
  if (as_double < flag.minimum || (flag.minimum_excluded && as_double == flag.minimum)) {
    fail(flag, text,
         (flag.minimum_excluded ? "above " : "at least ") +
             std::to_string(static_cast<std::int64_t>(flag.minimum)));
  }
  if (as_double > flag.maximum) {
    fail(flag, text, "at most " + std::to_string(static_cast<std::int64_t>(flag.maximum)));
  }
  return value;
}

std::vector<double> parse_betas(const Flag& flag, const std::string& text) {
  std::vector<double> betas;
  for (std::size_t begin = 0; begin <= text.size();) {
    const auto end = std::min(text.find(',', begin), text.size());
    betas.push_back(parse_number<double>(flag, text.substr(begin, end - begin)));
    if (std::abs(betas.back()) >= 1)
      fail(flag, text, "a velocity between -1 and 1 (that of light)");
    begin = end + 1;
  }
  return betas;
}

/// JSON, the format of the results, holds nothing else.
void require_utf8(const Flag& flag, const std::string& text) {
  try {
    static_cast<void>(Json(text).dump());
  } catch (const Json::exception&) {
    fail(flag, "...", "valid UTF-8");
  }
}

/// Writes the text of a flag into its target.
struct Writer {
  A& arguments;
  const Flag& flag;
  const std::string& text;

  void operator()(bool A::*member) const {
    if (text != "true") fail(flag, text, "expected: the flag takes no value");
    arguments.*member = true;
  }
  void operator()(std::int64_t A::*member) const {
    arguments.*member = parse_number<std::int64_t>(flag, text);
  }
  void operator()(double A::*member) const { arguments.*member = parse_number<double>(flag, text); }
  void operator()(std::string A::*member) const {
    require_utf8(flag, text);
    arguments.*member = text;
  }
  void operator()(std::vector<double> A::*member) const {
    arguments.*member = parse_betas(flag, text);
  }
  void operator()(std::vector<std::string> A::*member) const {
    (arguments.*member).push_back(text);
  }
  void operator()(const Choice& choice) const {
    const auto& words = choice.words;
    const auto found = std::find(words.begin(), words.end(), text);
    if (found == words.end()) {
      std::string list;
      for (const auto& word : words) list += (list.empty() ? "" : ", ") + word;
      fail(flag, text, "one of " + list);
    }
    choice.set(arguments, found - words.begin());
  }
};

struct Reader {
  const A& arguments;

  Json operator()(auto member) const { return arguments.*member; }
  Json operator()(const Choice& choice) const {
    const auto index = choice.get(arguments);
    return index ? choice.words[*index] : "";
  }
};

struct Copier {
  A& to;
  const A& from;

  void operator()(auto member) const { to.*member = from.*member; }
  void operator()(const Choice& choice) const { choice.set(to, choice.get(from)); }
};

/// saved_flags() and unsaved_flags() without those of the other task.
std::vector<Flag> make_flags(const Task& task) {
  auto flags = saved_flags();
  for (auto& flag : unsaved_flags()) {
    flag.saved = false;
    flags.push_back(std::move(flag));
  }
  for (const auto* other : {&top_tagging(), &quark_gluon_tagging()}) {
    if (other->name == task.name) continue;
    std::erase_if(flags, [&](const Flag& flag) {
      return std::find(other->own_flags.begin(), other->own_flags.end(), flag.name) !=
             other->own_flags.end();
    });
  }
  return flags;
}

}  // namespace

const std::vector<Flag>& flags_of(const Task& task) {
  static const std::array flags{make_flags(top_tagging()), make_flags(quark_gluon_tagging())};
  return flags.at(task.name == top_tagging().name ? 0 : 1);
}

Arguments default_arguments(const Task& task) {
  Arguments arguments;
  arguments.c_weight = task.c_weight;
  arguments.datadir = "./data/" + task.name;
  arguments.logdir = "./logs/" + task.name;
  return arguments;
}

void set_flag(Arguments& arguments, const Flag& flag, const std::string& text) {
  std::visit(Writer{arguments, flag, text}, flag.target);
}

Json flag_value(const Arguments& arguments, const Flag& flag) {
  return std::visit(Reader{arguments}, flag.target);
}

void set_flag(Arguments& arguments, const Flag& flag, const Json& value) {
  if (value == flag_value(Arguments{}, flag)) {  // it may be a value that can't be given
    return std::visit(Copier{arguments, Arguments{}}, flag.target);
  }
  const bool is_text = std::holds_alternative<std::string Arguments::*>(flag.target) ||
                       std::holds_alternative<Choice>(flag.target);
  if (value.is_string() != is_text || value.is_structured()) {
    fail(flag, short_text(value), "of the right type");
  }
  set_flag(arguments, flag, is_text ? value.get<std::string>() : value.dump());
}

}  // namespace lorentznet
