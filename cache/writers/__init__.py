"""Adding rows: by the only writer of a variant, or by one of many.

- `writer`: collects rows and commits them as shards;
- `shared_writer`: the same, where others commit meanwhile;
- `redundancy`: removes rows that two have committed at the same moment.

May import ``cache.shards`` and below. It knows the cache as `CachedRows` only.
"""
