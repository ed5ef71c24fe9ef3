"""The programs that run a frozen network, behind the interface of `base`.

`tensorflow` is the reference; `openvino` runs the same network faster on CPUs. Each module imports
its framework, and is itself imported only when its engine starts.
"""
