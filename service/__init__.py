"""The predict route over HTTP: a Flask app, its web page, and the production server under it.

May import: ``pipeline``, ``classifier``, ``viz`` and ``errors``. Flask and waitress are imported
only here; TensorFlow never is.
"""

from .app import create_app
from .server import Server, serve
from .settings import Settings

__all__ = ["Server", "Settings", "create_app", "serve"]
