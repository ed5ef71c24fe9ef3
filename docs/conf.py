"""Settings of the documentation: ``make docs`` builds it, without network, warnings as errors."""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from docutils.parsers.rst import roles
from docutils.parsers.rst.languages import en as english

import bottlebank

if TYPE_CHECKING:
    from sphinx.application import Sphinx

sys.path.insert(0, str(Path(__file__).parent / "_extensions"))

project = "bottlebank"
author = "the bottlebank developers"
version = release = bottlebank.__version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.napoleon",
    "commands",
]
exclude_patterns = ["_build"]

myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3

default_role = "public_name"  # of single backquotes in docstrings: see `public_name`
highlight_language = "text"  # of blocks that name none
templates_path = ["_templates"]
autosummary_generate = True
autodoc_default_options = {
    "members": True,
    "inherited-members": "BaseEstimator, ClassifierMixin, TransformerMixin, list",
    "exclude-members": "get_metadata_routing, set_fit_request, set_output, set_score_request",
}
python_maximum_signature_line_length = 88
# Docstrings leave types to the annotations, which stand in signatures and beside parameters.
autodoc_typehints = "both"
autodoc_typehints_description_target = "documented_params"
napoleon_google_docstring = False

# Without network there are no inventories of other projects to link to, and what signatures name
# of the package's inside has no page. Public names, `bottlebank.NAME`, must resolve.
nitpicky = True
nitpick_ignore_regex = [("py:(class|obj)", r"(?!bottlebank\.).*|bottlebank(\.\w+){2,}")]

html_theme = "furo"
html_title = f"bottlebank {release}"
html_theme_options = {"top_of_page_buttons": []}
html_static_path = ["_static"]
html_css_files = ["custom.css"]
html_copy_source = False
html_show_copyright = False


def shorten_defaults(*arguments: Any) -> tuple[str, str | None] | None:
    """Signatures show the values of defaults, but not every field of the service's settings."""
    signature, returns = arguments[-2:]
    if not signature or "Settings(" not in signature:
        return None
    return re.sub(r"Settings\((?:[^()]|\(\))*\)", "Settings()", signature), returns


def public_name(_: str, rawtext: str, text: str, lineno: int, inliner: Any, *more: Any) -> Any:
    """A role: a public name of bottlebank is a link to its page, anything else is code."""
    is_public = text.removesuffix("()") in bottlebank.__all__
    role, messages = roles.role("py:obj" if is_public else "literal", english, lineno, inliner)
    target = f"~bottlebank.{text.removesuffix('()')}" if is_public else text
    nodes, more_messages = role("obj", rawtext, target, lineno, inliner, *more)
    return nodes, messages + more_messages


def setup(app: Sphinx) -> None:
    """Connect what Sphinx calls; pages of names that are gone would be warnings."""
    shutil.rmtree(Path(__file__).parent / "reference", ignore_errors=True)
    app.add_role("public_name", public_name)
    app.connect("autodoc-process-signature", shorten_defaults)
