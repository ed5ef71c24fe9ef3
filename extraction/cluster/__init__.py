"""Extraction on a cluster: a driver that shares files out, and workers that commit shards.

Ray runs the workers; `ray_connection` alone imports it, and `ray_pool` alone calls it. What a file
is worth (known, new, rejected) the driver decides, as in a run on one machine, by the same plan and
ledger.

- `cluster_run`: the driver, which holds the lock of the cache for all workers;
- `chunks`: which files a worker is given next, and what is done again;
- `chunk_worker`: what runs on a machine of the cluster; `messages`: what the two say;
- `seen_elsewhere`, `failures`: files and errors of another machine;
- `speeds`, `metrics`: how far it is, and who is slow.

It may import what `extraction` may; of `extraction` only `extract_dataset` imports it.
"""
