"""Frozen networks: the registry, what finds their weights, and the forms that engines start from.

A network is a line of the registry, or a file of somebody's own. Either way a module stands behind
it, which has some of these functions:

``find_weights(backbone, weights, download_timeout_s, progress) -> Weights``
    Of every network in the registry; see `weights.find_weights`.
``imagenet_file(backbone) -> Path | None``
    Of these, too, but for `random`: where the ImageNet weights are or will be downloaded to; None
    where they come with a package that is not installed.
``require_weights(backbone, weights)``
    Refuses a file that cannot hold them, before any heavy library is imported.
``configured(backbone, spec) -> Backbone``
    Of networks in the registry that can have other sizes or layers than their usual ones.
``layers_of_backbone(backbone, spec) -> list[Layer]``
    Of these, too: their layers, from input to output, as `opening.Layer`.
``open_file(path, spec) -> tuple[Backbone, Weights]``
    Of every kind of file in `opening.KINDS`: reads what the network is, and runs nothing.
``layers(path, spec) -> Layers``
    Of these, too: the layers that can be chosen, as `opening.Layers`.
``build(backbone, weights, precision)``
    Returns what makes of scaled pixels, a tensor (n, height, width, 3) of TensorFlow, the transfer
    values (n, width). Where it takes a certain number of images, its ``n_images`` says it. A module
    with ``BUILDS_APART = True`` reads what others wrote: it is only built, and converted, in a
    process of its own. With ``OF_KERAS = True``, what it returns consists of layers and functions
    of Keras, and takes also what `keras.Input` returns.
``write_openvino(backbone, weights, folder)``
    Writes ``network.xml`` and ``network.bin``: 8-bit pixels (n, height, width, 3), RGB, to transfer
    values (n, width), float32; scaling and pooling are inside.
``write_onnx(backbone, weights, folder)``
    Writes ``network.onnx``, which takes and gives the same.
``reference(backbone, weights)``
    Returns what the network makes of the golden images, where that is known beforehand: float32,
    (4, width); None where it is not.
``tunable(backbone, weights) -> Tunable``
    Of networks whose last blocks can be trained: see `tuning`. Such a network also is built up to a
    layer whose map is flattened, where its pooling is `layer_pooling.FLATTENED`.
"""
