"""Names in CSV files that people open in spreadsheets: guarded by an apostrophe, and read back.

`unguarded` gives back what `guarded` was given, whatever that is. ``reports/labels_csv`` has the
same rule in JavaScript, for the pages that write labels files.
"""

from __future__ import annotations

import re

from .tables.csv_rows import clean

_EDGE = r"\t-\r\x1c- \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ufeff\u200b"
"""What `clean` takes off at both ends, as a set of a regular expression."""
_AMBIGUOUS = re.compile(rf"^'*[=+\-@{_EDGE}]|[{_EDGE}]\Z")


def guarded(value: str) -> str:
    """A name that is no formula to a spreadsheet, and loses nothing when it is read.

    An apostrophe goes before what begins like a formula, before what begins or ends with white
    space, and before what begins with apostrophes in front of these.
    """
    return f"'{value}" if _AMBIGUOUS.search(value) else value


def unguarded(value: str) -> str:
    """The name that was given to `guarded`; another one without white space at its ends."""
    cleaned = clean(value)
    if cleaned.startswith("'"):
        rest = value[value.index("'") + 1 :]
        if _AMBIGUOUS.search(rest):
            return rest
    return cleaned
