"""Figures of scores from scikit-learn, which those of the programs and scripts are compared with."""

import numpy as np
from sklearn.metrics import roc_auc_score, roc_curve


def rejection(background, signal, signal_efficiency) -> float | None:
    """1/eB at the first point of roc_curve(drop_intermediate=True) with the nearest signal efficiency; None if no
    background passes there."""
    passing = background[np.argmin(np.abs(signal - signal_efficiency))]
    return None if passing == 0 else 1 / passing


def of_rows(rows, weight=None) -> list[float]:
    """Accuracy, AUC, 1/eB(0.5) and 1/eB(0.3) of rows (label, p0, p1)."""
    label, score = rows[:, 0], rows[:, 2]
    background, signal, _ = roc_curve(label, score, sample_weight=weight, drop_intermediate=True)
    return [np.average((score > rows[:, 1]) == label, weights=weight),
            roc_auc_score(label, score, sample_weight=weight),
            *(rejection(background, signal, wanted) or np.inf for wanted in (0.5, 0.3))]  # fmt: skip


def random_rows(seed: int, jets: int, levels: int = 300, separation: float = 2.0) -> np.ndarray:
    """Rows (label, p0, p1) with ties: `levels` different scores."""
    label = (np.arange(jets) % 2).astype(np.float32)
    noise = np.random.default_rng(seed).normal(size=jets)
    signal = 1 / (1 + np.exp(-noise - separation * (label - 0.5)))
    signal = np.clip(np.round(signal * levels), 1, levels - 1) / levels
    return np.stack([label, 1 - signal, signal], axis=1).astype(np.float32)
