"""What networks compute in."""

PRECISIONS = ("bfloat16", "float16", "float32")
