"""The explorer: a map of images as one page that opens from disk, without a server or a network.

`of_table` gathers what is known of a table's images, `points` holds it, `parts` packs it, and
`page` writes it with the scripts in ``static/``, which are joined as they are. May import what
`reports` may.
"""

from .page import write_explorer
from .points import Points, Predicted

__all__ = ["Points", "Predicted", "write_explorer"]
