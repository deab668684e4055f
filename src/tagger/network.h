#pragma once

#include <cstdint>
#include <memory>
#include <new>
#include <string>
#include <vector>

#include "engine/engine.h"
#include "lorentznet/checkpoint.h"
#include "lorentznet/isa.h"

namespace lorentznet {

struct NetworkShape {
  std::int64_t scalars;  ///< S, input scalars of a node
  std::int64_t hidden;   ///< H, width of the embeddings
  std::int64_t classes, layers;
};

/// The shape of the network that `state` is of, from the shapes of a few of its arrays.
/// \param file  where the state came from, for messages
/// \throws InputError naming the tensor that is missing or not of a network
NetworkShape network_shape(const StateDict& state, const std::string& file);

/// The weights of a network in the order in which an engine reads them.
template <typename T>
struct PackedWeights {
  struct Delete {
    void operator()(T* memory) const { operator delete (memory, std::align_val_t{kAlignment}); }
  };
  static constexpr std::size_t kAlignment = 64;  ///< bytes: a cache line

  NetworkShape shape{};
  fused::PackedNetwork<T> network{};  ///< points into the following
  std::vector<fused::PackedLayer<T>> edges;
  std::vector<fused::PackedNodes<T>> nodes;
  std::vector<std::unique_ptr<T, Delete>> memory;
};

/// \throws InputError if a jet has no nodes, a divisor that is not positive, or a null array
void check_jet(int n, double n_nodes, const void* x, const void* scalars, const void* out);

class OneThread final : public fused::Team {
 public:
  int size() const override { return 1; }
  void run(void (*work)(void*, int), void* context) const override { work(context, 0); }
};

/// A LorentzNet for inference in T, float or double. The batch norms' running statistics are part
/// of its weights. It keeps nothing of the state dict that it is made from.
template <typename T>
class Network {
 public:
  /// \param state     under the published names; double arrays are rounded to float if T is float
  /// \param c_weight  weight of the coordinate updates
  /// \param file      where the state came from, for messages
  /// \throws InputError naming the tensor that is missing, left over or of another shape, or a
  ///         width that the engine does not compute
  /// \throws std::invalid_argument if the processor or T does not support `isa`
  Network(const StateDict& state, double c_weight, Isa isa, const std::string& file);

  const NetworkShape& shape() const { return weights_.shape; }
  /// The weights as the engine reads them, for another device. Valid as long as this object.
  const fused::PackedNetwork<T>& packed() const { return weights_.network; }
  /// The logits [classes] of one jet, computed by the calling thread. Thread-safe.
  /// \throws InputError  as check_jet()
  void logits(const fused::JetNodes<T>& jet, T* out) const { logits(jet, OneThread{}, out); }
  /// The same bits, computed by several threads.
  void logits(const fused::JetNodes<T>& jet, const fused::Team& team, T* out) const {
    check_jet(jet.n, static_cast<double>(jet.n_nodes), jet.x, jet.scalars, out);
    engine_.infer(weights_.network, jet, team, out);
  }

 private:
  const fused::Engine<T>& engine_;
  PackedWeights<T> weights_;
};

extern template class Network<float>;
extern template class Network<double>;

}  // namespace lorentznet
