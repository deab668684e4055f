"""Scores jets with LorentzNet, without torch: the same bits as the programs' test mode.

>>> import lorentznet
>>> tagger = lorentznet.Tagger("logs/top/pretrained/best-val-model.pt")
>>> tagger([[[100, 60, 0, 80], [50, 0, 30, 40], [0, 0, 0, 0]]]).shape
(1, 2)
"""

from lorentznet._tagger import __version__
from lorentznet.jets import JetError
from lorentznet.tagger import Inputs, Tagger

__all__ = ["Inputs", "JetError", "Tagger", "__version__"]
