"""Settings of the documentation: ``make docs`` builds it, without network, warnings as errors."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import bottlebank

if TYPE_CHECKING:
    from sphinx.application import Sphinx

sys.path.insert(0, str(Path(__file__).parent / "_extensions"))

project = "bottlebank"
author = "the bottlebank developers"
version = release = bottlebank.__version__

extensions = [
    "myst_parser",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "commands",
]
exclude_patterns = ["_build"]

myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3

# The signatures carry the types; single backquotes in docstrings are code.
default_role = "literal"
highlight_language = "text"  # of blocks that name none
templates_path = ["_templates"]
autosummary_generate = True
autodoc_default_options = {
    "members": True,
    "inherited-members": "BaseEstimator, ClassifierMixin, TransformerMixin, list",
    "exclude-members": "get_metadata_routing, set_fit_request, set_output, set_score_request",
}
python_maximum_signature_line_length = 88
numpydoc_show_class_members = False

# Without network there are no inventories of other projects to link to, and what signatures name
# of the package's inside has no page. Public names, `bottlebank.NAME`, must resolve.
nitpicky = True
nitpick_ignore_regex = [("py:(class|obj)", r"(?!bottlebank\.).*|bottlebank(\.\w+){2,}")]

html_theme = "furo"
html_title = f"bottlebank {release}"
html_theme_options = {"top_of_page_buttons": []}
html_copy_source = False
html_show_copyright = False


def shorten_defaults(*arguments: Any) -> tuple[str, str | None] | None:
    """Signatures show the values of defaults, but not every field of the service's settings."""
    signature, returns = arguments[-2:]
    if not signature or "Settings(" not in signature:
        return None
    return re.sub(r"Settings\((?:[^()]|\(\))*\)", "Settings()", signature), returns


def setup(app: Sphinx) -> None:
    """Connect what Sphinx calls."""
    app.connect("autodoc-process-signature", shorten_defaults)
