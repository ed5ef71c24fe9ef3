"""`bottlebank finetune`."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any

from .command import command, option
from .output import Stopwatch, invocation, percent, print_json, report_rejections, say, tell
from .parameters import options
from .parameters.types import COUNT, FOLDER, SHARE

if TYPE_CHECKING:
    from ..classifier.dense_training import Epoch
    from ..training.finetuning import Finetuned


@command(example="bottlebank finetune photos/ --head head.h5 --unfreeze 2 --output tuned/")
@options.data()
@options.weights_column()
@options.head(required=True)
@options.output(
    required=True,
    type=FOLDER,
    metavar="DIR",
    help="folder for the weights of the new extractor, its head and the curves",
)
@option(
    "--unfreeze",
    type=COUNT,
    default=1,
    metavar="N",
    help="blocks of the network to train, counted from the last",
)
@option("--epochs", type=COUNT, default=5, metavar="N", help="passes over the training images")
@option(
    "--learning-rate",
    type=SHARE,
    default=1e-4,
    metavar="RATE",
    default_in_words="0.0001",
    help="of Adam, for the network and the head",
)
@option("--batch-size", type=COUNT, default=32, metavar="N", help="images per step")
@options.seed()
@options.loading()
@options.max_pixels()
@options.resources()
@options.as_json()
@options.strict()
def run(
    data: str,
    reading: dict[str, Any],
    head: str,
    output: str,
    unfreeze: int,
    epochs: int,
    learning_rate: float,
    batch_size: int,
    seed: int,
    loading: dict[str, Any],
    max_pixels: int,
    workers: int | None,
    memory: int | None,
    json: bool,
    strict: bool,
) -> int:
    """Fine-tune, write the extractor and the head, and compare them with those before."""
    seconds = Stopwatch()
    from ..reports.training_curves import require_curves, write_curves

    picture = require_curves(output, data)
    from ..datasets import load_dataset
    from ..training.finetuning import finetune

    def on_epoch(number: int, epoch: Epoch) -> None:
        say(
            f"epoch {number} of {epochs}: training loss {epoch.train_loss:.3g}, validation loss "
            f"{epoch.validation_loss:.3g}, accuracy {percent(epoch.validation_accuracy)}"
        )

    tuned = finetune(
        load_dataset(data, **reading),
        head,
        output,
        unfreeze=unfreeze,
        epochs=epochs,
        learning_rate=learning_rate,
        batch_size=batch_size,
        seed=seed,
        max_pixels=max_pixels,
        workers=workers,
        memory=memory,
        on_epoch=on_epoch,
        **loading,
    )
    write_curves(tuned.head, picture, f"fine-tuning {', '.join(tuned.blocks)}")
    if json:
        print_json({**tuned.as_json(), "curves": str(picture), "seconds": seconds()})
    else:
        _tell(tuned, seconds)
        chosen = str(tuned.head_file) if tuned.is_worth_it else head
        parts = ["predict", "IMAGE", "--head", chosen]
        tell(f"next: {shlex.join([*invocation(), *parts])}")
    return report_rejections(tuned.table.rejected, strict)


def _tell(tuned: Finetuned, seconds: Stopwatch) -> None:
    from ..training.finetuning.finetuned import in_words

    history, best = tuned.epochs.history, tuned.epochs.best
    tell(
        f"fine-tuned {', '.join(tuned.blocks)} of {tuned.table.report.extractor} "
        f"({tuned.n_weights:,} weights); epoch {best} of {len(history)} is kept: validation loss "
        f"{tuned.epochs.start.validation_loss:.3g} → {history[best - 1].validation_loss:.3g}"
    )
    if not tuned.has_lower_loss:
        tell("  no epoch has a lower validation loss than the frozen network")
    for split, found in tuned.paired.items():
        tell(f"  {split:<10} {in_words(found)}")
    if tuned.n_seen:
        tell(
            f"  the head before was trained on {tuned.n_seen:,} of these images: its figures are "
            f"too good"
        )
    tell(tuned.verdict())
    tell(
        f"wrote {tuned.extractor} (the extractor, for --weights) and {tuned.head_file} (version "
        f"{tuned.head.version}), {seconds():.1f} s in all"
    )
