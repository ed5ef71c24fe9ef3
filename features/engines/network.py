"""A backbone with its weights, in the forms that engines start from."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from ..recipe import backbone_of
from . import conversion

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ..backbones.weights import Weights
    from ..recipe import Recipe
    from .base import Reference


class Network(contextlib.AbstractContextManager):
    """What an engine is started from; each form is made when it is first asked for.

    Parameters
    ----------
    recipe
        Which network.
    weights
        Finds the weights.
    kept
        Folder in which converted networks are kept; None: none is.
    progress
        Whether a conversion is shown on stderr; None: as `Progress` has it.
    """

    def __init__(
        self,
        recipe: Recipe,
        weights: Callable[[], Weights],
        kept: Path | None = None,
        progress: bool | None = None,
    ) -> None:
        self.recipe = recipe
        self.backbone = backbone_of(recipe)
        self.weights = weights
        self._kept, self._progress = kept, progress
        self._converted: dict[conversion.Form, Path] = {}
        self._stack = contextlib.ExitStack()

    def __exit__(self, *exception: object) -> None:
        self._stack.close()

    def converted(self) -> Path:
        """A folder with the network as OpenVINO reads it: ``network.xml`` and ``network.bin``.

        It lasts until the end of the ``with`` block.
        """
        return self._in(conversion.OPENVINO)

    def onnx(self, precision: str = "float32") -> Path:
        """A folder with the network as ONNX: ``network.onnx``; its input is 8-bit pixels.

        In ``float32`` or ``float16``. It lasts until the end of the ``with`` block.
        """
        return self._in({"float32": conversion.ONNX, "float16": conversion.ONNX_FLOAT16}[precision])

    def _in(self, form: conversion.Form) -> Path:
        if form not in self._converted:
            if form is conversion.ONNX_FLOAT16:
                made = conversion.float16_network(self.recipe, self.onnx, self._kept)
            else:
                made = conversion.converted_network(
                    self.recipe, self.backbone, self.weights, self._kept, form, self._progress
                )
            self._converted[form] = self._stack.enter_context(made)
        return self._converted[form]

    def graph(self) -> bytes:
        """The frozen graph of TensorFlow, a serialised GraphDef; its input is 8-bit pixels.

        Raises
        ------
        EngineError
            When the network is in a form that TensorFlow cannot read.
        WeightsNotFoundError
            As `require_same_weights`.
        """
        if getattr(self.backbone.imported(), "BUILDS_APART", False):
            return (self._in(conversion.GRAPH) / "network.pb").read_bytes()
        graph = conversion.import_tensorflow_engine()(self.backbone, self.weights()).graph()
        self.require_same_weights()
        return graph

    def require_same_weights(self) -> None:
        """Refuse weights that were replaced while an engine read them in this process.

        Those of a network that is built apart were compared when it was: they may be gone since.

        Raises
        ------
        WeightsNotFoundError
            When their hash is not that of the recipe.
        """
        if not getattr(self.backbone.imported(), "BUILDS_APART", False):
            conversion.require_same(self.recipe, self.weights())

    def reference(self) -> Reference:
        """What engines are compared with: the golden images in float32, by the most trusted way.

        That is TensorFlow for networks that it runs. For those in ONNX files, it is another library
        than the one that the network is converted for: see `first_run`.
        """
        for folder in self._converted.values():
            return conversion.read_reference(folder)
        module = self.backbone.imported()
        if hasattr(module, "build") and not getattr(module, "BUILDS_APART", False):
            return conversion.known_reference(self.backbone, self.weights())
        return conversion.read_reference(self.converted())
