"""What one listener asks of whoever connects: its files, read once at the start and again when they change."""

import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass

import grpc

from collector.access.tls import RotatingContext, TlsFiles, grpc_credentials, make_context
from collector.access.tokens import TokenFile
from collector.settings_listeners import Listener


@dataclass(frozen=True, slots=True)
class Entrance:
    """The way into one listener. ``tls`` and ``tokens`` are ``None`` where there is none; ``clock`` gives seconds."""

    tls: TlsFiles | None = None
    tokens: TokenFile | None = None
    clock: Callable[[], float] = time.monotonic

    @classmethod
    def of(cls, section: str, listener: Listener) -> "Entrance":
        """The entrance of a listener, ``section`` being its section of the configuration.

        Raises:
            ConfigError: a file is missing, cannot be read, or does not hold what it must.
        """
        tls = tokens = None
        if listener.tls.cert is not None and listener.tls.key is not None:
            tls = TlsFiles(f"{section}.tls", listener.tls.cert, listener.tls.key, listener.tls.client_ca)
            make_context(tls)  # before anything is begun: what is wrong with them is told at once
        if listener.token_file is not None:
            tokens = TokenFile(f"{section}.token_file", listener.token_file)
        return cls(tls, tokens)

    @property
    def asks_certificate(self) -> bool:
        """Whether clients must show a certificate."""
        return self.tls is not None and self.tls.client_ca is not None

    def context(self, certificate: ssl.VerifyMode = ssl.CERT_REQUIRED) -> ssl.SSLContext | None:
        """TLS for asyncio's servers. ``CERT_OPTIONAL`` leaves it to the app to ask for the client's certificate."""
        return None if self.tls is None else RotatingContext.of(self.tls, certificate=certificate, clock=self.clock)

    def credentials(self) -> grpc.ServerCredentials | None:
        """TLS for gRPC servers."""
        return None if self.tls is None else grpc_credentials(self.tls, self.clock)
