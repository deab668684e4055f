#pragma once

#include <array>
#include <span>
#include <string>
#include <vector>

#include "engine/workspace.h"
#include "lorentznet/tagger.h"
#include "tagger/description.h"
#include "tagger/network.h"

namespace lorentznet {

/// What a JetModel writes while it scores a jet; grows with the largest one.
struct JetMemory {
  std::vector<double> p4;            ///< [nodes, 4]
  std::vector<float> scalars;        ///< [nodes, S]
  std::vector<float> logits;         ///< [classes]
  std::vector<double> node_scalars;  ///< [S]
  fused::ScratchOwner scratch;
};

/// A network that scores jets as they are in an event: it adds beams and scalars.
class JetModel {
 public:
  /// \param file  where the state came from, for messages
  /// \throws InputError if the description is not of this state, or the engine does not compute it
  JetModel(NetworkDescription description, const StateDict& state, Isa isa,
           const std::string& file);

  const NetworkDescription& description() const { return description_; }
  int classes() const { return static_cast<int>(description_.shape.classes); }
  /// Writes the probabilities [classes], NaN unless the status is kScored.
  JetStatus score(const JetView& jet, std::span<float> probabilities,
                  JetMemory& memory) const noexcept;

 private:
  JetStatus check(const JetView& jet) const;
  JetStatus compute(const JetView& jet, float* probabilities, JetMemory& memory) const;
  /// The jet's nodes, in `memory`. \return whether all particles are known
  void write_nodes(const JetView& jet, JetMemory& memory) const;

  NetworkDescription description_;
  ConstituentInput input_;
  std::size_t own_scalars_, num_beams_;
  Network<float> network_;
};

/// Four made-up jets of 1 to 50 constituents and what the network gives for them. Empty if the
/// engine does not compute the network, or if its weights are not finite.
std::vector<TestVector> make_tests(const NetworkDescription& description, const StateDict& state);

/// Scores the jets that came with the checkpoint. \throws InputError if one comes out otherwise
void check_tests(const JetModel& model, const std::string& file);

}  // namespace lorentznet
