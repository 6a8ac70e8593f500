"""The templates of pages, as jinja finds them."""

from __future__ import annotations

import jinja2
from markupsafe import Markup


def environment() -> jinja2.Environment:
    """Templates of this package, with the filter ``breakable``; everything but markup is escaped."""
    found = jinja2.Environment(
        loader=jinja2.PackageLoader("backmapbench.board", ""),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    found.filters["breakable"] = breakable
    return found


def breakable(name: str) -> Markup:
    """An id that may break over lines after its underscores."""
    return Markup("_<wbr>").join(str(name).split("_"))
