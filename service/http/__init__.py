"""The production server under the app: waitress, with a bound on everything a client can send.

May import the rest of ``service``, which does not import it. Waitress is imported only here.
"""

from .server import Server, serve

__all__ = ["Server", "serve"]
