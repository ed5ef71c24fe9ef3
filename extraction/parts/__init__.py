"""Extraction of a dataset in parts, with the memory that one part takes.

It is one run: workers, network, lock and progress are those of `run`, and files of the next part
are read while those of the last are computed. In place of `plan` and `ledger` are such as forget:
a part when all of its images are done, and a row when it is committed. What remains are counts and,
in a file, what was rejected.

- `memory` keeps in the cache's index what is known of archives and tables;
- `plan` goes through the parts, and passes over those that are known and have all their rows;
- `run` puts them together, and `summary` is what it returns.

May import the rest of ``extraction``, but for what starts an extraction.
"""
