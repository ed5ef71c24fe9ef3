"""The predict route over HTTP: a Flask app, its web page, and the production server under it.

May import: ``pipeline``, ``classifier``, ``viz`` and ``errors``. Flask and waitress are imported
only here; TensorFlow never is.
"""

from .app import create_app
from .logs import log_requests
from .server import Server, serve
from .service import Service
from .settings import Settings

__all__ = ["Server", "Service", "Settings", "create_app", "log_requests", "serve"]
