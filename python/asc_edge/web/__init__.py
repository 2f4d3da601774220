"""A page to look at: what is heard now and was heard before, served by the device itself to a browser.

It shows labels, levels and a coarse picture of the sound. No audio passes through here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from asc_edge.errors import WebError
from asc_edge.web.settings import WebSettings

if TYPE_CHECKING:
    from asc_edge.web.history import History
    from asc_edge.web.sink import WebSink

__all__ = ["WebSettings", "open_web"]


def open_web(
    settings: WebSettings,
    report: Callable[[str], None],
    *,
    history: History | None = None,
    configuration: Mapping[str, object] | None = None,
) -> WebSink:
    """Take the page's address; it is served from the sink's ``start`` on, by a thread of its own.

    Parameters
    ----------
    settings : WebSettings
    report : callable
        Told, in one line, of what goes wrong while it is served.
    history : History, optional
        Where activities of other days come from. Without one, the page knows those since the start.
    configuration : dict, optional
        What the page shows as configuration, plain JSON. Values of keys that speak of secrets are hidden.

    Returns
    -------
    WebSink
        Its ``url`` is where to look.

    Raises
    ------
    ConfigError
        When the token file is missing or its token too short.
    WebError
        When the address can't be taken, or Tornado is not installed.
    """
    try:
        import tornado  # noqa: F401
    except ImportError:
        raise WebError("the web page needs tornado: pip install 'asc-edge[web]'") from None
    from asc_edge.web.sink import WebSink

    return WebSink(settings, report, history=history, configuration=configuration or {})
