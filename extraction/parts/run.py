"""One run over a dataset in parts."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING, Any

from ...progress import Progress
from ..run import Counts, Run
from .memory import IndexMemory
from .plan import PlanInParts
from .rolling_ledger import RollingLedger
from .summary import Summary

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ...datasets.parts import Parts


class RunInParts(Run):
    """As `Run`, for a dataset in parts; it holds no more of it than what is on its way."""

    _dataset: Parts
    _ledger: RollingLedger
    _plan: PlanInParts

    def _planned(self, *of_ledger: Any) -> tuple[RollingLedger, PlanInParts]:
        ledger = RollingLedger(*of_ledger)
        return ledger, PlanInParts(self._dataset, self._folder, ledger)

    def complete(self) -> Summary:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Extract what is missing, and say what was done.

        Raises
        ------
        CannotRunError
            When something is missing, and no engine of this machine computes in the precision.
        """
        start = time.perf_counter()
        what = f"Extracting ({self._recipe.extractor})"
        with (
            self._remembering(),
            Progress(what, self._dataset.n_images, show=self._progress) as bar,
        ):
            self._plan.note_known = bar.update
            self._extract(bar)
        loop_s = time.perf_counter() - start - self._network.startup_s
        self._warn_of_dark_images()
        plan = self._plan
        counts = Counts(
            images=plan.n_images,
            with_rows=plan.n_rows,
            different=plan.n_different,
            extracted=plan.n_extracted,
            rejected=len(plan.rejected),
            rows_extracted=self._ledger.n_rows,
        )
        report = self._report(counts, self._dataset.ignored_kinds, loop_s)
        self._golden_images()  # they are kept for heads, which need them
        return Summary(plan.n_rows, plan.rejected, report, self._recipe)

    @contextlib.contextmanager
    def _remembering(self) -> Iterator[None]:
        memory = self._dataset.memory
        if not isinstance(memory, IndexMemory):
            yield
            return
        memory.write()  # what a survey has found
        try:
            yield
        finally:
            memory.write()
