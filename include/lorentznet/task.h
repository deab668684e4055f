#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "lorentznet/jets.h"

namespace lorentznet {

/// Which jets to read.
struct DataSelection {
  std::filesystem::path datadir;
  std::int64_t num_train = -1;  ///< top: this many training jets, the first of each file; -1: all
  std::int64_t num_data = -1;   ///< quark/gluon: the first jets of the data set; -1: all
  bool test_only = false;       ///< train and val stay empty
  BadJetRule bad_jets = {};
  /// Keep the jets of large files (64 MB and more in all) beside these, in a file that is mapped
  /// into memory the next time. It is in the folder ".lorentznet-cache", or in the one that the
  /// environment variable LORENTZNET_CACHE names.
  bool cache = false;
  /// Receives a line about a cache that is damaged or cannot be written.
  std::function<void(const std::string& line)> log = [](const std::string&) {};
  /// Fill DataSplits::files. A thread computes the checksums beside the reading; a cache knows
  /// them.
  bool checksums = false;
};

/// How a jet's embeddings are pooled: their sum is divided by n_nodes.
///
/// The published program pads all jets of a batch to the same width, and its n_nodes counts the
/// padding.
enum class Pooling {
  kBatch,     ///< 2 beams + the columns in which any jet of the batch has a constituent
  kConstant,  ///< a constant of the model
  kJet,       ///< the jet's own number of nodes, without padding
};
inline constexpr std::array<std::string_view, 3> kPoolingNames{"batch", "constant", "jet"};

struct PoolingRule {
  Pooling pooling = Pooling::kJet;
  std::int64_t n_nodes = 0;  ///< the constant of Pooling::kConstant
};

/// Quartiles of m/E of the constituents of jets: how heavy they are, or how much rounding leaves of
/// massless ones.
struct MassQuartiles {
  double lower = 0, median = 0, upper = 0;
};

/// What generated a published set of quark/gluon jets.
enum class Generator { kPythia, kHerwig };

/// The published data sets of a task (data/published_files.tsv).
struct PublishedSets {
  std::string subfolder;  ///< of the data folder, in which the files are
  std::string files;      ///< what their names are, for messages
  bool on_request;        ///< downloaded only with --download, not whenever there are no files
  std::string test_file;  ///< the one with the test jets; empty: each file has some
  std::string network;    ///< name of the set that is the published network
  std::string (*name)(Generator generator, bool with_bc);
  /// Name of the set whose files are in a data folder; empty if there are none, or only such that a
  /// test, or a training, does not read.
  std::string (*found_in)(const std::filesystem::path& datadir, bool test_only);
};

/// All that top tagging and quark/gluon tagging differ in.
struct Task {
  std::string name;                  ///< "top" or "qg"
  std::string title;                 ///< for people
  std::int64_t n_scalar;             ///< S, input scalars of a node
  std::vector<double> beam_scalars;  ///< [S] of the two beams that stand before each jet's
                                     ///< constituents; empty: the task has no beams
  bool pools_over_batch;             ///< n_nodes is by default that of the batch, not a constant
  std::int64_t published_n_nodes;    ///< the constant of the published checkpoint, or 0
  double c_weight;                   ///< default of --c_weight
  std::optional<MassQuartiles> published_masses;  ///< empty: the network does not see masses
  std::string validation_name;         ///< the validation split in the Python program's lines
  std::vector<std::string> own_flags;  ///< flags that the other task's program lacks
  PublishedSets published_sets;

  /// The task for jets with scalars of their own, as top_tagging_of(); null: its scalars are fixed.
  Task (*for_scalars)(std::int64_t num_scalars, bool beams);
  /// Writes the S input scalars of constituent `constituent` of `jets`.
  void (*encode)(const JetSet& jets, std::int64_t constituent, std::span<double> scalars);
  /// Reads the splits of a data folder. \throws InputError
  DataSplits (*read_splits)(const DataSelection& selection);
  /// Reads all jets of one file. \throws InputError
  JetSet (*read_file)(const std::filesystem::path& file, const BadJetRule& bad_jets);
};

/// `task` for jets with S scalars of their own a constituent (0: none, so that the constituent's
/// mass, psi(m), is its scalar). Two beams stand before each jet's constituents, unless it is
/// without: they are told from particles by one scalar more, the last, psi(1) of a beam and 0 of a
/// particle. Top tagging is top_tagging_of(0, true).
Task top_tagging_of(std::int64_t num_scalars, bool beams);

/// Top jets against QCD jets. Scalars: (psi(m), 0) of a constituent of mass m, (0, psi(1)) of a
/// beam.
const Task& top_tagging();

/// Quark jets against gluon jets. Scalars: one-hot of the constituent's species (species.h).
const Task& quark_gluon_tagging();

}  // namespace lorentznet
