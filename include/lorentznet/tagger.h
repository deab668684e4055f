// The tagger for programs of one's own: scores jets with a trained network. It needs no LibTorch,
// starts no thread, prints nothing, and computes the same bits on every x86-64 processor, for any
// batch, order of jets and number of threads.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "lorentznet/error.h"

namespace lorentznet {

/// What a network takes besides the four-momenta of a jet's constituents.
enum class ConstituentInput {
  kNothing,  ///< top tagging: their masses are computed from the four-momenta
  kPdgIds,   ///< quark/gluon tagging: a PDG id each
  kScalars,  ///< scalars of the user's own, as many as the network was trained with
};

struct TaggerInputs {
  std::string task;               ///< "top" or "qg"
  ConstituentInput constituents;  ///< what JetView holds besides p4
  int scalars;                    ///< S of ConstituentInput::kScalars, or 0
  int classes;  ///< K probabilities a jet: class 0 is background, 1 signal (top, quark)
};

/// A jet: n constituents, one after the other. The arrays are read only while a call runs.
struct JetView {
  std::span<const double> p4;                 ///< [n, 4] (E, px, py, pz) in GeV
  std::span<const std::int32_t> pdg_id = {};  ///< [n] if the network takes PDG ids, else empty
  std::span<const double> scalars = {};       ///< [n, S] if the network takes scalars, else empty
};

/// J jets with P constituents in all: those of jet j are offsets[j] to offsets[j+1] - 1.
struct JetsView {
  std::span<const std::int64_t> offsets;      ///< [J+1], from 0 to P, rising
  std::span<const double> p4;                 ///< [P, 4]
  std::span<const std::int32_t> pdg_id = {};  ///< [P] or empty
  std::span<const double> scalars = {};       ///< [P, S] or empty
};

/// What became of a jet. A jet that is not scored has NaN as its probabilities.
enum class JetStatus : std::uint8_t {
  kScored = 0,
  kEmpty,            ///< no constituent
  kTooMany,          ///< more than kMostConstituents
  kNotFinite,        ///< a component of a four-momentum, or a scalar, is NaN or infinite
  kEnergy,           ///< an energy is not between 1e-15 and 1e12 GeV
  kMomentum,         ///< more momentum than energy (by 1 %): is it (E, px, py, pz)?
  kUnknownParticle,  ///< a PDG id that is in no table of the program
  kArrays,           ///< sizes that do not fit each other or the network
  kMemory,           ///< the workspace could not grow
};

inline constexpr std::int64_t kMostConstituents = 4096;  ///< of a jet

/// The reason in a few words, "no constituents"; "" if it was scored.
[[gnu::visibility("default")]] std::string_view reason(JetStatus status) noexcept;

/// Memory of a caller: one for each thread, or event slot. It grows with the largest jet seen, and
/// then no call allocates.
class [[gnu::visibility("default")]] Workspace {
 public:
  Workspace();
  Workspace(Workspace &&) noexcept;
  Workspace& operator=(Workspace&&) noexcept;
  ~Workspace();

 private:
  friend class Tagger;
  struct Memory;
  std::unique_ptr<Memory> memory_;
};

/// What a checkpoint that does not describe itself, as those of the Python program, computes.
struct TaggerOptions {
  /// args.json of its training; empty: the one beside the checkpoint, if there is one. It is not
  /// read where the checkpoint describes itself.
  std::filesystem::path args_json;
  /// The instruction set, "avx512", "avx2" or "portable"; empty: the processor's best. Results do
  /// not depend on it.
  std::string instruction_set;
};

/// A trained network. Any number of threads may score with one tagger, each with a Workspace of
/// its own.
class [[gnu::visibility("default")]] Tagger {
 public:
  /// Reads a checkpoint (best-val-model.pt), and scores the test vectors that it carries.
  /// The file need not be trusted.
  /// \throws InputError, one line that begins with the file's name, if it is no checkpoint, is
  ///         damaged, does not say what it computes, or if its test vectors come out otherwise
  static Tagger open(const std::filesystem::path& checkpoint, const TaggerOptions& options = {});

  Tagger(Tagger &&) noexcept;
  Tagger& operator=(Tagger&&) noexcept;
  ~Tagger();

  const TaggerInputs& inputs() const noexcept;
  int classes() const noexcept { return inputs().classes; }
  /// What the network computes, JSON (docs/embedding.md): what the checkpoint says of itself, or
  /// args.json of it.
  const std::string& metadata() const noexcept;
  /// SHA-256 of the checkpoint, 64 hexadecimal digits.
  const std::string& fingerprint() const noexcept;
  /// "avx512", "avx2" or "portable".
  std::string_view instruction_set() const noexcept;

  /// \param probabilities [K] overwritten: the same bits as in score.npy of the program's test mode
  ///        (with --pooling jet, if the network was trained with --pooling batch)
  JetStatus score(const JetView& jet, std::span<float> probabilities, Workspace& workspace)
      const noexcept;
  /// The same bits, jet by jet.
  /// \param probabilities [J, K] overwritten
  /// \param status [J] overwritten, or empty
  /// \return the number of jets that were not scored; J, with nothing written, if `probabilities`,
  ///         `status` or the arrays of `jets` have other sizes
  std::size_t score(const JetsView& jets, std::span<float> probabilities, Workspace& workspace,
                    std::span<JetStatus> status = {}) const noexcept;

  /// The network's arrays as in the state dict, for programs that compute otherwise (ONNX).
  struct NamedArray {
    std::string name;
    std::vector<std::int64_t> shape;
    std::vector<double> values;
  };
  std::vector<NamedArray> arrays() const;

 private:
  struct Model;
  explicit Tagger(std::unique_ptr<const Model> model);
  std::unique_ptr<const Model> model_;
};

}  // namespace lorentznet
