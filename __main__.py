"""The program: `bottlebank`, or `python -m bottlebank`."""

import os
import signal
from typing import NoReturn


def run() -> NoReturn:
    """Run the command of this process's arguments, and end the process.

    Ctrl-C ends it at once and without a traceback until the command listens to it, and after.
    """
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from .cli import run
    from .hardware import limit_threads_of_libraries

    limit_threads_of_libraries()
    # pyarrow's own allocator keeps some 20 MB of what has been freed.
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
    run()


if __name__ == "__main__":
    run()
