"""Extraction on a cluster: a driver that shares files out, and workers that commit shards.

Ray runs the workers; `ray_pool` alone knows it. What a file is worth (known, new, rejected) the
driver decides, as in a run on one machine, by the same plan and ledger.
"""
