"""The predict route over HTTP: a Flask app, its web page, and the production server under it.

May import ``prediction`` and below. Flask and waitress are imported only here; TensorFlow never is.
Each module is imported when one of its names is first used, so that Flask is while the network
starts.
"""

from typing import TYPE_CHECKING

from ..lazy_names import lazy_names

if TYPE_CHECKING:
    from .app import create_app
    from .http import Server, serve
    from .logs import log_requests
    from .service import Service
    from .settings import Settings

__all__ = ["Server", "Service", "Settings", "create_app", "log_requests", "serve"]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "app": ("create_app",),
        "logs": ("log_requests",),
        "http": ("Server", "serve"),
        "service": ("Service",),
        "settings": ("Settings",),
    },
)
