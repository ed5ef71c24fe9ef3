"""What networks compute in."""

PRECISIONS = ("bfloat16", "float32")
