"""An evaluation as JSON values: what `bottlebank evaluate --json` prints and a report keeps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..training.dataset_problems import contradictions, describe, near_pairs

if TYPE_CHECKING:
    import numpy as np

    from ..classifier import Head
    from ..extraction import FeatureTable
    from ..training.evaluate import Judged


def describe_evaluation(head: Head, table: FeatureTable, judged: Judged) -> dict[str, Any]:
    """JSON values: figures, mistakes, near-duplicates, contradictions and rejections.

    Parameters
    ----------
    head, table
        What was evaluated, on what.
    judged
        From `training.judge`.

    Returns
    -------
    dict
        What `bottlebank evaluate --json` prints, and a report keeps as ``evaluation.json``.
    """
    seen, better = judged.trained_on, judged.cross_validated
    answer = {
        "split": judged.side,
        **judged.evaluation.as_dict(),
        "unknown": int(judged.answer.unknown.sum()),
        "trained_on": None if seen is None else seen.as_dict(),
        "mistakes": _mistakes(head, table, judged.rows, judged.answer.probabilities),
        "near_duplicates": describe(near_pairs(judged.split), table, judged.split),
        "contradictions": describe(contradictions(table, judged.split), table, judged.split),
        "rejections": [{"path": path, "reason": reason} for path, reason in table.rejected],
    }
    if better is None:
        return {**answer, "cross_validated": None}
    listed = _mistakes(head, table, better.rows, better.probabilities)
    return {"cross_validated": {**better.as_dict(), "mistakes": listed}, **answer}


def _mistakes(
    head: Head, table: FeatureTable, rows: np.ndarray, probabilities: np.ndarray
) -> list[dict[str, Any]]:
    """Images that are taken for another class, the most confident first."""
    found = []
    for row, column, sure in zip(
        rows.tolist(),
        probabilities.argmax(axis=1).tolist(),
        probabilities.max(axis=1).tolist(),
        strict=True,
    ):
        label, predicted = str(table.labels[row]), head.classes[column]
        if label != predicted:
            place = {"path": table.paths[row], "label": label}
            found.append({**place, "predicted": predicted, "probability": sure})
    return sorted(found, key=lambda mistake: -mistake["probability"])
