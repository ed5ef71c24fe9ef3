"""A page on which an audit is looked at: suggestions are accepted or rejected, and downloaded.

One file that needs nothing else and requests nothing: `page.html` with the style, the script and
the findings in it. May import ``auditing`` and below.
"""

from .writing import write_audit_page

__all__ = ["write_audit_page"]
