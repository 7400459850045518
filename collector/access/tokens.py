"""Bearer tokens: one a line in a file, compared in constant time, read again when the file changes.

Several tokens may be valid at once, so that a new one can be handed out before the old one is taken away. Only their
digests are kept.
"""

import base64
import binascii
import hashlib
import hmac
import re
import stat
import time
from collections.abc import Callable
from pathlib import Path

import structlog

from collector.access.problem import said, unreadable, unusable
from collector.access.watch import Watch
from collector.settings import ConfigError

LARGEST_FILE = 64 * 1024
_TOKEN = re.compile(rb"[\x21-\x7e]+")
"""What fits into a header: visible ASCII without spaces."""

log = structlog.get_logger()


class TokenFile:
    """The tokens of one listener.

    Raises:
        ConfigError: the file cannot be read or holds no token. Once it is in use, such a file is logged and the tokens
            that were valid stay so: a file that is being rewritten must not lock everyone out.
    """

    def __init__(self, option: str, path: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self._option = option
        self._path = path
        self._watch = Watch((path,), clock)  # before the file is read: a change in between is seen
        self._digests = self._read()

    def accepts(self, token: bytes) -> bool:
        """Whether this is one of the tokens. Takes as long for each, right or wrong."""
        self.look()
        digest = _digest(token)
        found = False
        for valid in self._digests:
            found |= hmac.compare_digest(digest, valid)
        return found

    def look(self) -> None:
        """Read the file again if it has changed.

        To be called from time to time, also while nobody comes: of two changes that nobody saw the first would be
        skipped, and where the file breaks with the second, tokens that the first took away would stay valid.
        """
        if self._watch.changed():
            self._read_again()

    def _read_again(self) -> None:
        try:
            self._digests = self._read()
        except ConfigError as problem:
            log.error("the tokens stay as they were", problem=said(problem))
        else:
            log.info("tokens were read again", option=self._option, tokens=len(self._digests))

    def _read(self) -> tuple[bytes, ...]:
        try:
            mode = self._path.stat().st_mode
            if not stat.S_ISREG(mode):
                raise unusable(self._option, self._path, "is no file; it must hold one token a line")
            with self._path.open("rb") as file:
                text = file.read(LARGEST_FILE + 1)
        except OSError as error:
            raise unreadable(self._option, self._path, error) from error
        tokens = self._tokens(text)
        if mode & (stat.S_IRGRP | stat.S_IROTH):
            log.warning(
                "others on this machine can read the token file; chmod 600 it",
                option=self._option,
                path=str(self._path),
                mode=f"{stat.S_IMODE(mode):o}",
            )
        return tuple(_digest(token) for token in tokens)

    def _tokens(self, text: bytes) -> list[bytes]:
        if len(text) > LARGEST_FILE:
            raise unusable(self._option, self._path, f"is larger than {LARGEST_FILE} bytes; is it the right file?")
        tokens = []
        for number, line in enumerate(text.splitlines(), 1):
            token = line.strip()
            if token and not _TOKEN.fullmatch(token):
                rule = "holds a space or a character that is not ASCII; put one token on each line"
                raise unusable(self._option, self._path, f"line {number} {rule}")
            if token:
                tokens.append(token)
        if not tokens:
            how = "`openssl rand -hex 32` makes one"
            raise unusable(self._option, self._path, f"is empty; it must hold one token a line ({how})")
        return tokens


def _digest(token: bytes) -> bytes:
    return hashlib.sha256(token).digest()


def bearer_token(authorization: bytes) -> bytes | None:
    """The token of an ``Authorization: Bearer ...`` header (RFC 6750, section 2.1); ``None`` where it has none."""
    scheme, _, value = authorization.strip().partition(b" ")
    return value.strip() if scheme.lower() == b"bearer" else None


def basic_password(authorization: bytes) -> bytes | None:
    """The password of an ``Authorization: Basic ...`` header (RFC 7617); ``None`` where it has none."""
    scheme, _, value = authorization.strip().partition(b" ")
    if scheme.lower() != b"basic":
        return None
    try:
        _, colon, password = base64.b64decode(value.strip(), validate=True).partition(b":")
    except binascii.Error:
        return None
    return password if colon else None
