"""The programs that run a frozen network, behind the interface of `base`.

`registry` lists them and names the reference. Each module imports its framework, and is itself
imported only when its engine starts.
"""
