#include "app/trained_network.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "io/message.h"
#include "lorentznet/checkpoint.h"
#include "lorentznet/error.h"
#include "tagger/description.h"

namespace lorentznet {
namespace {

/// As args.json has it.
Json args_of(const NetworkDescription& description, const Task& task) {
  const auto& shape = description.shape;
  Json json{{"n_scalar", shape.scalars},
            {"n_class", shape.classes},
            {"n_hidden", shape.hidden},
            {"n_layers", shape.layers},
            {"pooling", kPoolingNames.at(static_cast<std::size_t>(description.rule.pooling))},
            {"n_nodes", description.rule.n_nodes},
            {"c_weight", description.c_weight},
            {"coordinates", description.coordinates}};
  if (task.for_scalars != nullptr) json["no_beams"] = !description.beams;
  return json;
}

/// Flags of args.json that were not given and that the data did not decide.
void remove_unset(Json& args) {
  if (args.value("pooling", Json("")) != "") return;
  args.erase("pooling");
  if (args.value("n_nodes", Json(0)) == 0) args.erase("n_nodes");
}

void check_task_of(const NetworkDescription& description, const Task& task,
                   const std::filesystem::path& checkpoint) {
  if (description.task == task.name) return;
  const auto title = [](const std::string& name) {
    return name == top_tagging().name ? "top tagging" : "quark/gluon tagging";
  };
  throw_file_error(checkpoint.string(),
                   fmt::format("a checkpoint of another task: it is of {}, this program "
                               "is for {}",
                               title(description.task), title(task.name)));
}

/// The description of published checkpoints has no place in the file.
TrainedNetwork undescribed(const Task& task, const std::filesystem::path& checkpoint) {
  return {.checkpoint = checkpoint,
          .args_file = checkpoint.parent_path() / "args.json",
          .args = Json::object(),
          .own = Json::object(),
          .masses = task.published_masses};
}

bool says(const TrainedNetwork& network, const std::string& name) {
  return network.args.contains(name) || network.own.contains(name);
}

/// The shape that the weights have, if nothing else says it.
void add_shape_of_weights(TrainedNetwork& network) {
  if (says(network, "n_hidden") && says(network, "n_layers")) return;
  const auto shape =
      network_shape(read_state_dict(network.checkpoint), network.checkpoint.string());
  if (!says(network, "n_hidden")) network.own["n_hidden"] = shape.hidden;
  if (!says(network, "n_layers")) network.own["n_layers"] = shape.layers;
}

/// How a published network pools and updates coordinates, where nothing says it.
void assume_published(Arguments& arguments, const Task& task, const TrainedNetwork& network,
                      const Log& log) {
  const auto known = [&](const std::string& name) {
    return says(network, name) || arguments.given.contains(name);
  };
  std::string assumed;
  if (!known("pooling") && !known("n_nodes")) {
    arguments.pooling = task.pools_over_batch ? Pooling::kBatch : Pooling::kConstant;
    assumed =
        fmt::format("pooling {}", kPoolingNames.at(static_cast<std::size_t>(*arguments.pooling)));
  }
  if (arguments.pooling == Pooling::kConstant && arguments.n_nodes == 0) {
    if (task.published_n_nodes == 0) throw InputError("--pooling constant needs --n_nodes");
    arguments.n_nodes = task.published_n_nodes;
    assumed += fmt::format("{}n_nodes {}", assumed.empty() ? "" : ", ", arguments.n_nodes);
  }
  if (!known("c_weight")) {
    assumed += fmt::format("{}c_weight {}", assumed.empty() ? "" : ", ", arguments.c_weight);
  }
  if (assumed.empty()) return;
  log.info(fmt::format("{} does not say all that its network computes; as in the published one: {}",
                       network.checkpoint.string(), assumed));
}

}  // namespace

std::int64_t TrainedNetwork::number(const std::string& name, std::int64_t if_absent,
                                    std::int64_t least, std::int64_t most) const {
  const bool in_args = args.contains(name);
  if (!in_args && !own.contains(name)) return if_absent;
  const auto& value = in_args ? args.at(name) : own.at(name);
  if (value.is_number_integer()) {
    const auto integer = value.get<std::int64_t>();
    if (integer >= least && integer <= most) return integer;
  }
  throw InputError(fmt::format("{}: {} is {}, not a number from {} to {}",
                               (in_args ? args_file : checkpoint).string(), name, short_text(value),
                               least, most));
}

TrainedNetwork read_trained_network(const Task& task, const std::filesystem::path& checkpoint) {
  auto network = undescribed(task, checkpoint);
  if (std::filesystem::exists(network.args_file)) network.args = read_json(network.args_file);
  remove_unset(network.args);
  const auto description = read_description(checkpoint);
  if (!description) return network;
  check_task_of(*description, task, checkpoint);
  network.masses = description->masses;
  network.own = args_of(*description, task);
  for (const auto& [name, value] : network.args.items()) {
    if (!network.own.contains(name)) continue;
    if (network.own.at(name) != value) {
      throw InputError(fmt::format("{}: {} is {}, but {} in {}", network.args_file.string(), name,
                                   short_text(value), short_text(network.own.at(name)),
                                   checkpoint.string()));
    }
    network.own.erase(name);
  }
  return network;
}

void adopt_network(Arguments& arguments, const TrainedNetwork& network,
                   const std::vector<std::string>& names, const Task& task) {
  adopt_saved(arguments, network.args, names, task, network.args_file);
  adopt_saved(arguments, network.own, names, task, network.checkpoint);
}

TrainedNetwork adopt_initial_network(Arguments& arguments, const Task& task, const Log& log) {
  auto network = read_trained_network(task, arguments.init_from);
  add_shape_of_weights(network);
  adopt_network(
      arguments, network,
      {"n_hidden", "n_layers", "c_weight", "coordinates", "no_beams", "pooling", "n_nodes"}, task);
  assume_published(arguments, task, network, log);
  return network;
}

void start_from(LorentzNetImpl& network, const std::filesystem::path& checkpoint, const Log& log) {
  auto state = read_state_dict(checkpoint);
  const auto own = model_state(network);
  std::int64_t classes = 0;  // of the checkpoint, if it has others than the network
  for (auto& [name, array] : state) {
    if (!name.starts_with("graph_dec.3.") || array.shape().empty()) continue;
    const auto same_name = [&, &key = name](const auto& entry) { return entry.first == key; };
    const auto found = std::find_if(own.begin(), own.end(), same_name);
    if (found == own.end() || found->second.shape().front() == array.shape().front()) continue;
    classes = array.shape().front();
    array = found->second;
  }
  if (classes != 0) {
    log.info(fmt::format("{} has {} classes, the jets have {}: the last layer starts anew",
                         checkpoint.string(), classes, network.options().n_class));
  }
  load_model_state(network, state, checkpoint);
}

}  // namespace lorentznet
