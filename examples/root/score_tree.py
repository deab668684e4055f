"""Adds a network's probabilities to a ROOT tree of jets, on two threads.

    score_tree.py CHECKPOINT IN.root OUT.root

The tree "jets" has the columns E, px, py and pz [GeV] of a jet's constituents, vectors of doubles, pdg_id, vectors of
integers, if the network takes them (quark/gluon), and jet, a number, because threads write the jets in any order. Needs
ROOT 6.26 or newer, and the library where pkg-config finds it.
"""

import pathlib
import subprocess
import sys

import ROOT


def installed(variable: str) -> str:
    return subprocess.check_output(["pkg-config", f"--variable={variable}", "lorentznet"], text=True).strip()


DEFINE_PROBABILITIES = """
#include "slot_tagger.h"

ROOT::RDF::RNode define_probabilities(ROOT::RDF::RNode jets, const std::string& checkpoint) {
  using Column = ROOT::RVecD;  // RVecF if the tree has floats
  const SlotTagger tagger(checkpoint, jets.GetNSlots());
  if (tagger.takes_pdg_ids()) {
    const auto score = [tagger](unsigned slot, const Column& E, const Column& px, const Column& py, const Column& pz,
                                const ROOT::RVecI& pdg_id) { return tagger(slot, E, px, py, pz, pdg_id); };
    return jets.DefineSlot("probabilities", score, {"E", "px", "py", "pz", "pdg_id"});
  }
  const auto score = [tagger](unsigned slot, const Column& E, const Column& px, const Column& py, const Column& pz) {
    return tagger(slot, E, px, py, pz);
  };
  return jets.DefineSlot("probabilities", score, {"E", "px", "py", "pz"});
}
"""

checkpoint, tree_file, out_file = sys.argv[1:]
ROOT.EnableImplicitMT(2)
ROOT.gInterpreter.AddIncludePath(installed("includedir"))
ROOT.gInterpreter.AddIncludePath(str(pathlib.Path(__file__).parent.resolve()))
ROOT.gSystem.Load(installed("libdir") + "/liblorentznet_tagger.so")
ROOT.gInterpreter.Declare(DEFINE_PROBABILITIES)

jets = ROOT.RDataFrame("jets", tree_file)
scored = ROOT.define_probabilities(ROOT.RDF.AsRNode(jets), checkpoint)
scored.Define("signal", "probabilities[1]").Snapshot("jets", out_file, ["jet", "probabilities", "signal"])
