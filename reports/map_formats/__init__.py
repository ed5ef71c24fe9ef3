"""Maps for other programs: where images lie, with what is known of them, as files that these read.

Each format is a module and a line of `registry`; `output` says what may be replaced, and writes.
May import what `reports` may.
"""
