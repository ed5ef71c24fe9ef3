"""How the tables that list images are read: encodings, dialects, columns, Parquet.

May import the rest of ``datasets`` but for what lists images, and ``untrusted``.
"""
