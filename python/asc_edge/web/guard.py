"""Who may look: the token, the cookie that stands for it, and by which name a browser may have come."""

from __future__ import annotations

import hashlib
import hmac

from asc_edge.web.settings import is_loopback

__all__ = ["HEADERS", "Guard"]

# Nothing from elsewhere, nothing inline, and no other page may take this one in.
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Cache-Control": "no-store",
}
COOKIE_DAYS = 90


class Guard:
    """Checks requests.

    Parameters
    ----------
    token : str
        What those who look must know; empty lets in everybody who reaches the address.
    only_loopback : bool
        Whether the address is this machine's own. Then a browser that came by any other name was sent by
        a page of somebody else's whose name has been turned to this machine (DNS rebinding).
    port : int
        Cookies don't tell ports apart: it goes into their name.
    """

    def __init__(self, token: str, *, only_loopback: bool, port: int) -> None:
        self._token = token.encode()
        self._only_loopback = only_loopback
        self.cookie_name = f"asc-edge-{port}"
        # Derived, so that it survives a restart, ends with its token, and doesn't tell it.
        self.cookie = hmac.new(self._token, b"asc-edge web cookie", hashlib.sha256).hexdigest()

    @property
    def wants_token(self) -> bool:
        """Whether a token is needed."""
        return bool(self._token)

    def knows_host(self, host: str) -> bool:
        """Whether a browser may have come by this name, which is given without its port."""
        return not self._only_loopback or is_loopback(host)

    def knows_token(self, token: str) -> bool:
        """Whether this is the token."""
        return hmac.compare_digest(_digest(token.encode(errors="replace")), _digest(self._token))

    def lets_in(self, authorization: str, cookie: str) -> bool:
        """Whether a request may see the home.

        Parameters
        ----------
        authorization : str
            Header of that name: ``Bearer`` and the token.
        cookie : str
            Value of the cookie that a right token was answered with.
        """
        if not self.wants_token:
            return True
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() == "bearer" and self.knows_token(token.strip()):
            return True
        return hmac.compare_digest(_digest(cookie.encode(errors="replace")), _digest(self.cookie.encode()))


def _digest(text: bytes) -> bytes:
    """All of one length, so that comparing them takes one time."""
    return hashlib.sha256(text).digest()
