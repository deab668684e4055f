// A tagger for RDataFrame::DefineSlot: one workspace a slot. It includes no header of ROOT, and
// needs C++17, as ROOT's interpreter often is no newer.
#ifndef SLOT_TAGGER_H
#define SLOT_TAGGER_H

#include <lorentznet/c.h>

#include <cstdint>
#include <limits>
#include <memory>
#include <new>
#include <stdexcept>
#include <string>
#include <vector>

/// Copies share the network and the slots, so that an RDataFrame may copy it.
class SlotTagger {
 public:
  /// \throws std::runtime_error with the file's name and the reason
  SlotTagger(const std::string& checkpoint, unsigned slots)
      : tagger_(lorentznet_open(checkpoint.c_str(), nullptr), lorentznet_close),
        slots_(std::make_shared<std::vector<Slot>>(slots)) {
    if (!tagger_) throw std::runtime_error(lorentznet_last_error());
    inputs_ = lorentznet_get_inputs(tagger_.get());
    for (Slot& slot : *slots_) {
      slot.workspace.reset(lorentznet_workspace_new(), lorentznet_workspace_free);
      if (!slot.workspace) throw std::bad_alloc();
    }
  }

  bool takes_pdg_ids() const { return inputs_.constituents == LORENTZNET_PDG_IDS; }

  /// The probabilities of the jet's classes; NaN if it cannot be scored (no constituents, NaN,
  /// ...). A column is anything with size() and [], E, px, py and pz in GeV; pdg_id is for
  /// quark/gluon.
  template <class Column, class Ids = std::vector<std::int32_t>>
  std::vector<float> operator()(unsigned number, const Column& E, const Column& px,
                                const Column& py, const Column& pz, const Ids& pdg_id = {}) const {
    std::vector<float> probabilities(inputs_.classes, std::numeric_limits<float>::quiet_NaN());
    const auto n = E.size();
    const bool ids_fit = pdg_id.size() == (takes_pdg_ids() ? n : 0);
    if (px.size() != n || py.size() != n || pz.size() != n || !ids_fit) return probabilities;
    Slot& slot = (*slots_)[number];
    slot.p4.clear();
    for (decltype(E.size()) i = 0; i < n; ++i) {
      slot.p4.insert(slot.p4.end(), {double(E[i]), double(px[i]), double(py[i]), double(pz[i])});
    }
    slot.pdg_id.assign(pdg_id.begin(), pdg_id.end());
    const lorentznet_jet jet = {static_cast<std::int64_t>(n), slot.p4.data(), slot.pdg_id.data(),
                                nullptr};
    lorentznet_score(tagger_.get(), &jet, probabilities.data(), slot.workspace.get());
    return probabilities;
  }

 private:
  struct Slot {
    std::shared_ptr<lorentznet_workspace> workspace;
    std::vector<double> p4;
    std::vector<std::int32_t> pdg_id;
  };

  std::shared_ptr<const lorentznet_tagger> tagger_;
  std::shared_ptr<std::vector<Slot>> slots_;
  lorentznet_inputs inputs_{};
};

#endif
