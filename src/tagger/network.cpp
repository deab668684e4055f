#include "tagger/network.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "engine/engine_choice.h"
#include "engine/pack.h"
#include "io/message.h"
#include "lorentznet/error.h"

namespace lorentznet {
namespace {

using Shape = std::vector<std::int64_t>;

/// Of scalars, hidden channels and classes: what the engine's integers hold with ease.
constexpr std::int64_t kMostChannels = 4096;

std::string layer_prefix(std::int64_t layer) { return "LGEBs." + std::to_string(layer) + "."; }

/// The arrays of a network by name, each taken once.
class Arrays {
 public:
  Arrays(const StateDict& state, std::string file) : file_(std::move(file)) {
    for (const auto& [name, array] : state) arrays_.emplace(name, &array);
  }

  bool has(const std::string& name) const { return arrays_.contains(name); }

  /// A matrix's shape.
  Shape matrix(const std::string& name) const {
    const auto& shape = find(name).shape();
    const auto fits = [](auto size) { return size >= 1 && size <= kMostChannels; };
    if (shape.size() == 2 && std::all_of(shape.begin(), shape.end(), fits)) return shape;
    fail("tensor " + name + " has shape " + format_shape(shape) + ", expected a matrix of 1 to " +
         std::to_string(kMostChannels) + " rows and columns");
  }

  /// An array's values as T.
  template <typename T>
  std::vector<T> take(const std::string& name, const Shape& shape) {
    const Array& array = find(name);
    if (array.shape() != shape) {
      fail("tensor " + name + " has shape " + format_shape(array.shape()) + ", the network's has " +
           format_shape(shape));
    }
    arrays_.erase(name);
    const auto convert = [](const auto& values) {
      return std::vector<T>(values.begin(), values.end());
    };
    if (array.type() == ElementType::kFloat) return convert(array.as<float>());
    if (array.type() == ElementType::kDouble) return convert(array.as<double>());
    fail("tensor " + name + " holds integers, the network's holds real numbers");
  }

  /// Passes over a number that inference has no use for.
  void skip(const std::string& name) {
    find(name);
    arrays_.erase(name);
  }

  void check_all_taken() const {
    if (!arrays_.empty()) {
      fail("tensor " + arrays_.begin()->first + " is not one of the network's");
    }
  }

 private:
  const Array& find(const std::string& name) const {
    const auto found = arrays_.find(name);
    if (found == arrays_.end()) fail("tensor " + name + " of the network is missing");
    return *found->second;
  }
  [[noreturn]] void fail(const std::string& reason) const { throw_file_error(file_, reason); }

  std::string file_;
  std::map<std::string, const Array*> arrays_;
};

NetworkShape shape_of(const Arrays& arrays) {
  const auto embedding = arrays.matrix("embedding.weight");
  std::int64_t layers = 1;
  while (arrays.has(layer_prefix(layers) + "phi_m.0.weight")) ++layers;
  return {.scalars = embedding[1],
          .hidden = embedding[0],
          .classes = arrays.matrix("graph_dec.3.weight")[0],
          .layers = layers};
}

/// A batch norm with its running statistics: y = z scale + shift.
template <typename T>
struct FoldedNorm {
  std::vector<T> scale, shift;

  FoldedNorm(Arrays& arrays, const std::string& prefix, std::int64_t channels) {
    const auto take = [&](const char* name) { return arrays.take<T>(prefix + name, {channels}); };
    const auto weight = take("weight"), bias = take("bias");
    const auto mean = take("running_mean"), variance = take("running_var");
    arrays.skip(prefix + "num_batches_tracked");
    constexpr double kEpsilon = 1e-5;  // torch.nn.BatchNorm1d's
    for (std::size_t c = 0; c < weight.size(); ++c) {
      const double inverse_sigma = 1 / std::sqrt(double{variance[c]} + kEpsilon);
      const double factor = double{weight[c]} * inverse_sigma;
      const double offset = double{mean[c]} * factor;
      scale.push_back(static_cast<T>(factor));
      shift.push_back(static_cast<T>(double{bias[c]} - offset));
    }
  }

  /// Multiplies the rows [channels, columns] of the Linear before the norm by its scale.
  void scale_rows(std::vector<T>& weight) const {
    const std::size_t columns = weight.size() / scale.size();
    for (std::size_t i = 0; i < weight.size(); ++i) weight[i] *= scale[i / columns];
  }
};

/// Packs the weights of a state dict.
template <typename T>
class Packer {
 public:
  Packer(const StateDict& state, const std::string& file)
      : arrays_(state, file), shape_(shape_of(arrays_)) {
    if (shape_.hidden <= fused::kWidestNetwork) return;
    throw_file_error(file, "n_hidden is " + std::to_string(shape_.hidden) +
                               ", the fused kernel computes up to " +
                               std::to_string(fused::kWidestNetwork));
  }

  PackedWeights<T> pack(double c_weight) {
    const auto hidden = shape_.hidden, classes = shape_.classes;
    for (std::int64_t layer = 0; layer < shape_.layers; ++layer) pack_layer(layer);
    weights_.shape = shape_;
    weights_.network = {
        .hidden = static_cast<int>(hidden),
        .scalars = static_cast<int>(shape_.scalars),
        .classes = static_cast<int>(classes),
        .layers = static_cast<int>(shape_.layers),
        .c_weight = c_weight,
        .embedding = keep_inputs(take("embedding.weight", {hidden, shape_.scalars}), hidden),
        .embedding_bias = keep_row(take("embedding.bias", {hidden})),
        .decode_in = keep(take("graph_dec.0.weight", {hidden, hidden})),
        .decode_in_bias = keep(take("graph_dec.0.bias", {hidden})),
        .decode_out = keep(take("graph_dec.3.weight", {classes, hidden})),
        .decode_out_bias = keep(take("graph_dec.3.bias", {classes})),
        .edges = weights_.edges.data(),
        .nodes = weights_.nodes.data()};
    arrays_.check_all_taken();
    return std::move(weights_);
  }

 private:
  using Values = std::vector<T>;

  Values take(const std::string& name, const Shape& shape) { return arrays_.take<T>(name, shape); }

  T* allocate(std::int64_t count) {
    const auto bytes = static_cast<std::size_t>(count) * sizeof(T);
    constexpr std::align_val_t kAlignment{PackedWeights<T>::kAlignment};
    T* const memory = static_cast<T*>(operator new(bytes, kAlignment));
    weights_.memory.emplace_back(memory);
    return memory;
  }
  T* keep(const Values& values) {
    T* const memory = allocate(static_cast<std::int64_t>(values.size()));
    std::copy(values.begin(), values.end(), memory);
    return memory;
  }
  /// A row for each input.
  T* keep_inputs(const Values& weight, std::int64_t outputs) {
    const auto inputs = static_cast<std::int64_t>(weight.size()) / outputs;
    const auto columns = static_cast<int>(outputs);
    T* const packed = allocate(inputs * fused::row_elements(columns));
    fused::pack_inputs(weight.data(), columns, static_cast<int>(inputs), packed);
    return packed;
  }
  T* keep_row(const Values& values) { return keep_inputs(values, std::ssize(values)); }

  void pack_layer(std::int64_t layer) {
    const auto prefix = layer_prefix(layer);
    const auto hidden = shape_.hidden;
    const FoldedNorm<T> norm(arrays_, prefix + "phi_e.1.", hidden);
    // phi_e.0 takes [h_i, h_j, s_ij, t_ij]: the first two are projections of nodes, a_i and b_j.
    const auto edge_in = take(prefix + "phi_e.0.weight", {hidden, 2 * hidden + 2});
    Values sender, receiver, u, v;
    for (auto row = edge_in.begin(); row != edge_in.end();) {
      receiver.insert(receiver.end(), row, row + hidden);
      row += hidden;
      sender.insert(sender.end(), row, row + hidden);
      row += hidden;
      u.push_back(*row++);
      v.push_back(*row++);
    }
    norm.scale_rows(receiver);
    norm.scale_rows(sender);
    pack_edges(prefix, layer + 1 < shape_.layers, u, v, norm.scale);
    pack_nodes(prefix, receiver, norm.shift, sender);
  }

  void pack_edges(const std::string& prefix, bool moves, const Values& u, const Values& v,
                  const Values& scale) {
    const auto h = shape_.hidden;
    const auto edge_out = take(prefix + "phi_e.3.weight", {h, h});
    const auto edge_out_bias = take(prefix + "phi_e.3.bias", {h});
    const auto gate = take(prefix + "phi_m.0.weight", {1, h});
    const auto gate_bias = take(prefix + "phi_m.0.bias", {1});
    Values move_in, move_in_bias, move_out;
    if (moves) {
      move_in = take(prefix + "phi_x.0.weight", {h, h});
      move_in_bias = take(prefix + "phi_x.0.bias", {h});
      move_out = take(prefix + "phi_x.2.weight", {1, h});
    }
    const auto data = [&](const Values& values) {
      return values.empty() ? nullptr : values.data();
    };
    const fused::LayerParameters<T> parameters{.hidden = static_cast<int>(h),
                                               .u = u.data(),
                                               .v = v.data(),
                                               .scale = scale.data(),
                                               .edge_out = edge_out.data(),
                                               .edge_out_bias = edge_out_bias.data(),
                                               .gate = gate.data(),
                                               .gate_bias = gate_bias.data(),
                                               .move_in = data(move_in),
                                               .move_in_bias = data(move_in_bias),
                                               .move_out = data(move_out)};
    T* const memory = allocate(fused::layer_elements(parameters.hidden));
    weights_.edges.push_back(fused::pack_layer(parameters, memory));
  }

  /// \param receivers, senders  [H, H] from h to a and b
  void pack_nodes(const std::string& prefix, const Values& receivers, const Values& receiver_bias,
                  const Values& senders) {
    const auto hidden = shape_.hidden;
    const FoldedNorm<T> norm(arrays_, prefix + "phi_h.1.", hidden);
    auto in = take(prefix + "phi_h.0.weight", {hidden, 2 * hidden + shape_.scalars});
    auto in_bias = take(prefix + "phi_h.0.bias", {hidden});
    norm.scale_rows(in);
    norm.scale_rows(in_bias);
    for (std::size_t c = 0; c < in_bias.size(); ++c) in_bias[c] += norm.shift[c];
    weights_.nodes.push_back(
        {.receivers = keep_inputs(receivers, hidden),
         .receiver_bias = keep_row(receiver_bias),
         .senders = keep_inputs(senders, hidden),
         .in = keep_inputs(in, hidden),
         .in_bias = keep_row(in_bias),
         .out = keep_inputs(take(prefix + "phi_h.3.weight", {hidden, hidden}), hidden),
         .out_bias = keep_row(take(prefix + "phi_h.3.bias", {hidden}))});
  }

  Arrays arrays_;
  NetworkShape shape_;
  PackedWeights<T> weights_;
};

}  // namespace

NetworkShape network_shape(const StateDict& state, const std::string& file) {
  return shape_of(Arrays(state, file));
}

template <typename T>
Network<T>::Network(const StateDict& state, double c_weight, Isa isa, const std::string& file)
    : engine_(engine_of<T>(isa)), weights_(Packer<T>(state, file).pack(c_weight)) {}

void check_jet(int n, double n_nodes, const void* x, const void* scalars, const void* out) {
  if (n < 1) throw InputError("a jet of " + std::to_string(n) + " nodes: it needs at least one");
  if (!(n_nodes > 0)) {
    throw InputError("n_nodes of a jet is " + format_number(n_nodes) + ", not above 0");
  }
  if (x == nullptr || scalars == nullptr || out == nullptr) {
    throw InputError("a jet without momenta, scalars or room for its logits");
  }
}

template class Network<float>;
template class Network<double>;

}  // namespace lorentznet
