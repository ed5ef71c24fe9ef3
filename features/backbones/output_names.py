"""By which names and widths the outputs of networks in files are told apart."""

EMBEDDINGS = (
    "image_embeds",
    "image_features",
    "pooler_output",
    "image_embeddings",
    "embeddings",
    "embedding",
    "features",
    "last_hidden_state",
)
"""Of outputs that are features, as exporters name them, in the order in which they are taken."""
LOGITS = ("logits", "probs", "probabilities", "softmax", "prob", "class", "scores")
"""In the names of outputs that are classes."""
N_CLASSES = (1000, 1001, 10450, 11221, 11821, 21841, 21843)
"""Of ImageNet and of what larger networks are trained on."""
