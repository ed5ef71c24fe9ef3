"""Predictions as a file for spreadsheets and programs, which appears whole or not at all."""

from __future__ import annotations

import csv
import json
from typing import TYPE_CHECKING, Any

from ..atomic_file import write_with
from ..errors import BottlebankError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from .prediction import Prediction

_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def write_predictions(predictions: Iterable[Prediction], output: Path, top: int) -> None:
    """Write predictions as they come, one line each.

    Parameters
    ----------
    predictions
        From `Predictor.predict_files`.
    output
        ``.csv``: the columns path, label, probability, unknown, then label_2, probability_2 and so
        on up to `top`, and error. A name that a spreadsheet would take for a formula begins with an
        apostrophe; bytes that are not UTF-8 are escaped. ``.jsonl``: what `as_json` gives, exactly.
    top
        Classes of each image.

    Raises
    ------
    BottlebankError
        When the file cannot be written; it is then as it was.
    """

    def fill(temporary: Path) -> None:
        with temporary.open("w", encoding="utf-8", errors="backslashreplace", newline="") as file:
            if output.suffix.lower() == ".jsonl":
                file.writelines(json.dumps(as_json(each)) + "\n" for each in predictions)
                return
            writer = csv.writer(file)
            more = [f"{name}_{n}" for n in range(2, top + 1) for name in ("label", "probability")]
            writer.writerow(["path", "label", "probability", "unknown", *more, "error"])
            writer.writerows(_cells(each, top) for each in predictions)

    try:
        write_with(output, fill)
    except BottlebankError:
        raise
    except OSError as error:
        raise BottlebankError(f"{output} cannot be written: {error.strerror or error}") from error


def as_json(prediction: Prediction) -> dict[str, Any]:
    """A prediction as `bottlebank predict --json` prints it."""
    return {
        "path": prediction.path,
        "predictions": [
            {"label": label, "probability": probability} for label, probability in prediction
        ],
        "error": prediction.error,
        "unknown": prediction.unknown,
        "note": prediction.note,
    }


def _cells(prediction: Prediction, top: int) -> list[str]:
    pairs = [[_text(label), f"{share:.6f}"] for label, share in prediction[:top]]
    pairs += [["", ""]] * (top - len(pairs))
    unknown = "" if prediction.error is not None else str(prediction.unknown).lower()
    rest = [cell for pair in pairs[1:] for cell in pair]
    return [_text(prediction.path), *pairs[0], unknown, *rest, _text(prediction.error or "")]


def _text(text: str) -> str:
    return f"'{text}" if text.startswith(_FORMULA) and not _is_number(text) else text


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
