"""The script by which a page writes a labels file, byte for byte as `datasets.labels_file` does."""

from pathlib import Path


def script() -> str:
    """JavaScript that defines `labelsCsv(columns, rows)`."""
    return (Path(__file__).parent / "labels_csv.js").read_text(encoding="utf-8")
