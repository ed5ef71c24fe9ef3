"""A cache on object storage: shards and recipes under a URL such as ``s3://bucket/prefix``.

It may import what `cache` may, and what of `cache` a storage needs. fsspec, and through it s3fs, is
imported here alone, when a URL is opened.
"""
