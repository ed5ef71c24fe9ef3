"""A bar of one line that says what matters at any width; tqdm draws it and measures the speed."""

from __future__ import annotations

import io
import time
from typing import Any, TextIO

from tqdm.std import tqdm
from tqdm.utils import disp_len

_LEAST_BAR = 8
_NOTEBOOK_COLUMNS = 80
_REFRESH_S = 0.5
_COUNTED = (
    "{desc}: {percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt} "
    "[{elapsed}<{remaining}, {speed}{unit}/s{postfix}]",
    "{desc}: {percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt}, {speed}/s, {remaining} left{postfix}",
    "{brief}: {percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt}, {speed}/s, {remaining} left{postfix}",
    "{brief}: {percentage:3.0f}%, {n_fmt}/{total_fmt}, {remaining} left{postfix}",
    "{brief}: {percentage:3.0f}%, {remaining} left{postfix}",
    "{brief}: {percentage:3.0f}%|{bar}| {remaining} left",
    "{brief}: {percentage:3.0f}%, {remaining} left",
    "{percentage:3.0f}%, {remaining} left",
)
_UNCOUNTED = (
    "{desc}: {elapsed}{postfix}",
    "{brief}: {elapsed}{postfix}",
    "{brief}: {elapsed}",
    "{elapsed} {brief}",
)


class Bar(tqdm):
    """One line on a terminal or in a notebook, which another bar may take for a while.

    Of how the line can be put, it is the fullest that fits: names and units go first, then the
    bar, then what the work waits for.
    """

    _hidden = False

    def __init__(
        self,
        what: str,
        total: int | None,
        initial: int,
        unit: str,
        stream: TextIO,
        *,
        columns: int | None,
        instead_of: Bar | None,
        **settings: Any,
    ) -> None:
        """Begin, in the line of `instead_of`; as wide as the terminal where `columns` is None."""
        if instead_of is not None:
            instead_of.hide()
        super().__init__(
            total=total,
            initial=initial,
            desc=what,
            unit=f" {unit}",
            file=stream,
            position=None if instead_of is None else abs(instead_of.pos),
            ncols=columns,
            dynamic_ncols=columns is None,
            # The speed is that of the last seconds, not of the last burst.
            mininterval=_REFRESH_S,
            miniters=1,
            smoothing=0.1,
            **{"leave": False, **settings},
        )

    def display(self, msg: str | None = None, pos: int | None = None) -> Any:
        """Draw, unless another bar has the line."""
        return True if self._hidden else super().display(msg, pos)

    def hide(self) -> None:
        """Leave the line to another bar."""
        self.clear()
        self._hidden = True

    def show(self) -> None:
        """Take the line again."""
        self._hidden = False
        self.refresh()

    def start_counting(self) -> None:
        """Leave the time until now out of the speed."""
        self.start_t = self.last_print_t = time.time()
        self.initial = self.n

    def __str__(self) -> str:
        """The line."""
        known: dict[str, Any] = dict(self.format_dict)
        columns: int = known.pop("ncols") or 80
        rate = known["rate"] or (self.n - self.initial) / max(known["elapsed"], 1e-3)
        known.update(
            rate=rate or None,
            speed=f"{rate:.3g}" if rate < 1000 else f"{rate:.0f}",
            brief=self.desc.split(" (")[0],
        )
        layouts = _COUNTED if self.total else _UNCOUNTED
        for layout in layouts:
            known["bar_format"] = layout.replace("{bar}", f"{{bar:{_LEAST_BAR}}}")
            line = self.format_meter(**known)
            if disp_len(line) <= columns:
                known["bar_format"] = layout
                return self.format_meter(**known, ncols=columns)
        return self.format_meter(**known, ncols=columns)


class NotebookBar(Bar):
    """A bar in an output of its own, which is replaced: no frontend obeys all signs of a terminal.

    The last line stays, since an output cannot be taken back.
    """

    def __init__(
        self, what: str, total: int | None, initial: int, unit: str, instead_of: Bar | None
    ) -> None:
        """Begin, in the output of `instead_of`."""
        from IPython.display import display  # pyright: ignore[reportMissingImports]

        if isinstance(instead_of, NotebookBar):
            self._output = instead_of._output
        else:
            self._output: Any = display({"text/plain": f"{what} …"}, raw=True, display_id=True)
        super().__init__(
            what,
            total,
            initial,
            unit,
            io.StringIO(),
            columns=_NOTEBOOK_COLUMNS,
            instead_of=instead_of,
            leave=instead_of is None,
            ascii=False,
        )

    def display(self, msg: str | None = None, pos: int | None = None) -> Any:
        """Draw, unless another bar has the line."""
        if not self._hidden:
            text = str(self) if msg is None else msg
            self._output.update({"text/plain": text}, raw=True)
        return True
