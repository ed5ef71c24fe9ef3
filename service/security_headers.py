"""Headers of every answer, with or without the app."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

SECURITY_HEADERS: Mapping[str, str] = {
    # `data:` and `blob:` are thumbnails of pictures that the page has not uploaded yet.
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; "
        "connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    ),
    # Not "no-referrer", which would make "null" the origin of the page's own form.
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
"""No CORS header is among them; `access.origins` adds those for pages that are allowed."""
