#include "app/network_shape.h"

#include <fmt/format.h>

#include <algorithm>

#include "io/json.h"
#include "lorentznet/error.h"

namespace lorentznet {

void check_network(const Arguments& arguments, const StateDict& state,
                   const std::filesystem::path& file, const std::filesystem::path& args_file) {
  std::int64_t layers = 0, hidden = 0;
  for (const auto& [name, array] : state) {
    if (name == "embedding.bias") hidden = array.element_count();
    if (name.ends_with(".phi_m.0.bias")) ++layers;
  }
  // What is smaller, or no state of such a network at all, is told tensor by tensor on loading.
  if (layers == 0 || hidden == 0) return;
  if (arguments.n_hidden <= hidden && arguments.n_layers <= layers) return;
  throw InputError(fmt::format(
      "{}: is of n_layers {} and n_hidden {}; {} or the flags say {} and {}", file.string(), layers,
      hidden, args_file.string(), arguments.n_layers, arguments.n_hidden));
}

DataShape saved_shape(const Task& task, const RunFolder& folder) {
  DataShape shape{.n_scalar = task.n_scalar, .n_class = 2};
  if (!std::filesystem::exists(folder.args())) return shape;
  const auto saved = read_json(folder.args());
  const auto take = [&](const char* name, std::int64_t least, std::int64_t most,
                        std::int64_t& value) {
    if (!saved.contains(name)) return;
    const auto& number = saved.at(name);
    if (number.is_number_integer()) value = number.get<std::int64_t>();
    if (number.is_number_integer() && value >= least && value <= most) return;
    throw InputError(fmt::format("{}: {} is {}, not a number from {} to {}", folder.args().string(),
                                 name, number.dump(), least, most));
  };
  constexpr std::int64_t most_scalars = 4096, most_classes = 127;
  take("n_scalar", 1, most_scalars, shape.n_scalar);
  take("n_class", 2, most_classes, shape.n_class);
  return shape;
}

Task task_for(const Task& task, const Arguments& arguments, const JetSet& jets) {
  if (task.for_scalars == nullptr) return task;
  return task.for_scalars(jets.num_scalars(), !arguments.no_beams);
}

Task task_for_network(const Task& task, const Arguments& arguments, std::int64_t n_scalar,
                      const std::filesystem::path& file) {
  if (task.for_scalars != nullptr) {
    const auto own = n_scalar - (arguments.no_beams ? 0 : 1);
    if (own >= 1) return task.for_scalars(own, !arguments.no_beams);
  }
  if (n_scalar == task.n_scalar) return task;
  throw InputError(fmt::format("{}: takes {} scalars of a node, {}_tagging has {}{}", file.string(),
                               n_scalar, task.name, task.n_scalar,
                               task.for_scalars != nullptr ? " (1 with --no_beams)" : ""));
}

void check_jets(const Task& task, const JetSet& jets, std::int64_t n_class) {
  const auto file = jets.sources.empty() ? "" : jets.sources.front().file + ": ";
  if (task.for_scalars != nullptr) {
    const bool beams = !task.beam_scalars.empty();
    const auto own = std::max<std::int64_t>(jets.num_scalars(), 1);
    const auto taken = task.n_scalar - (beams ? 1 : 0);
    if (own != taken) {
      throw InputError(fmt::format("{}{} scalars a particle{}, the network takes {} ({} beams)",
                                   file, own, jets.num_scalars() == 0 ? " (its mass)" : "", taken,
                                   beams ? "with" : "without"));
    }
  }
  if (jets.num_classes() > n_class) {
    throw InputError(fmt::format("{}jets of class {}, the network has classes 0 to {}", file,
                                 jets.num_classes() - 1, n_class - 1));
  }
}

LorentzNetOptions network_options(const Arguments& arguments, const Task& task,
                                  std::int64_t n_class) {
  return {.n_scalar = task.n_scalar,
          .n_hidden = arguments.n_hidden,
          .n_class = n_class,
          .n_layers = arguments.n_layers,
          .c_weight = arguments.c_weight,
          .dropout = arguments.dropout,
          .coordinates =
              arguments.coordinates == "float" ? Coordinates::kNetwork : Coordinates::kDouble};
}

}  // namespace lorentznet
