#include "app/argument_checks.h"

#include <algorithm>

#include "lorentznet/error.h"

namespace lorentznet {
namespace {

void check_choice(const std::string& flag, const std::string& value,
                  const std::vector<std::string>& choices) {
  if (std::find(choices.begin(), choices.end(), value) != choices.end()) return;
  std::string list;
  for (const auto& choice : choices) {
    if (!choice.empty()) list += (list.empty() ? "" : ", ") + choice;
  }
  throw InputError("--" + flag + ": '" + value + "' is none of " + list);
}

void check_precision(const Arguments& arguments) {
  check_choice("precision", arguments.precision, {"fp32", "bf16"});
  if (arguments.precision == "fp32") return;
  if (!arguments.test_mode) {
    throw InputError("--precision " + arguments.precision +
                     " is for --test_mode: a training, with its tests, is in fp32");
  }
  if (arguments.kernel == "plain") {
    throw InputError("--precision " + arguments.precision + ": --kernel plain has fp32 only");
  }
}

void check_boost(const Arguments& arguments) {
  check_choice("boost_axis", arguments.boost_axis, {"x", "y", "z", "random"});
  if (!arguments.boost.empty()) return;
  for (const std::string flag : {"boost_axis", "rotate", "equivariance"}) {
    if (arguments.given.contains(flag)) {
      throw InputError("--" + flag + " is about --boost, which is not there");
    }
  }
}

void check_experiment(const Arguments& arguments) {
  if (arguments.resume && arguments.overwrite) {
    throw InputError("--resume keeps what --overwrite replaces: give one of them");
  }
  if (arguments.test_mode && (arguments.resume || arguments.overwrite)) {
    throw InputError("--test_mode trains nothing: it takes neither --resume nor --overwrite");
  }
  if ((arguments.test_mode || arguments.resume) && arguments.exp_name.empty()) {
    throw InputError("--exp_name is needed to find the experiment");
  }
  const std::filesystem::path name(arguments.exp_name);
  if (name.is_absolute() || name == "." ||
      std::find(name.begin(), name.end(), "..") != name.end()) {
    throw InputError("--exp_name: '" + arguments.exp_name +
                     "' is not the name of a folder in --logdir");
  }
}

}  // namespace

void check_arguments(const Arguments& arguments) {
  check_choice("pooling", arguments.pooling, {"", "batch", "constant", "jet"});
  check_choice("coordinates", arguments.coordinates, {"double", "float"});
  check_choice("generator", arguments.generator, {"pythia", "herwig"});
  check_choice("on_bad_jet", arguments.on_bad_jet, {"error", "skip"});
  check_choice("kernel", arguments.kernel, {"auto", "plain", "fused"});
  check_precision(arguments);
  check_boost(arguments);
  if (arguments.verbose && arguments.quiet) {
    throw InputError("--verbose and --quiet contradict each other");
  }
  if (!(arguments.dropout < 1)) throw InputError("--dropout: must be below 1");
  if (arguments.n_nodes > 0 && !arguments.pooling.empty() && arguments.pooling != "constant") {
    throw InputError("--n_nodes is a constant: it contradicts --pooling " + arguments.pooling);
  }
  check_experiment(arguments);
}

}  // namespace lorentznet
