"""The predict route over HTTP: a Flask app, its web page, and the production server under it.

May import: ``pipeline``, ``classifier``, ``viz`` and ``errors``. Flask and waitress are imported
only here; TensorFlow never is. Each module is imported when one of its names is first used: Flask
is, while the network starts.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .app import create_app
    from .logs import log_requests
    from .server import Server, serve
    from .service import Service
    from .settings import Settings

__all__ = ["Server", "Service", "Settings", "create_app", "log_requests", "serve"]

_MODULES = {
    "Server": "server",
    "Service": "service",
    "Settings": "settings",
    "create_app": "app",
    "log_requests": "logs",
    "serve": "server",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_MODULES[name]}", __name__), name)
