"""TLS for servers: certificates from files, taken anew when the files change, for every connection made after that.

Owns the files and the contexts made of them. TLS 1.2 is the least that is spoken (RFC 9325, section 3.1.1).
"""

import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

import grpc
import structlog

from collector.access.problem import said, unreadable, unusable
from collector.access.watch import Watch
from collector.settings import ConfigError

_CERTIFICATE_RULE = "holds no certificate in PEM form (-----BEGIN CERTIFICATE-----)"
_KEY_RULE = "holds no private key in PEM form without a passphrase (-----BEGIN PRIVATE KEY-----)"

_Made = TypeVar("_Made")

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """The files of one listener. ``option`` is the section that names them, such as ``otlp.grpc.tls``.

    Attributes:
        cert: The server's certificate, followed by those between it and its root; PEM.
        key: The certificate's private key; PEM, without a passphrase.
        client_ca: The roots whose certificates clients must show; ``None``: clients need none.
    """

    option: str
    cert: Path
    key: Path
    client_ca: Path | None = None

    @property
    def paths(self) -> tuple[Path, ...]:
        """All files."""
        return (self.cert, self.key) if self.client_ca is None else (self.cert, self.key, self.client_ca)


def make_context(files: TlsFiles, *, certificate: ssl.VerifyMode = ssl.CERT_REQUIRED) -> ssl.SSLContext:
    """The context of what the files hold now.

    Args:
        files: The files.
        certificate: Whether a client that shows no certificate is let in, where there is a ``client_ca``.

    Raises:
        ConfigError: a file is missing, cannot be read, holds something else, or key and certificate do not belong
            together.
    """
    _check_certificates(files.cert, f"{files.option}.cert")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    _load_key(context, files)
    if files.client_ca is not None:
        _check_certificates(files.client_ca, f"{files.option}.client_ca")
        context.load_verify_locations(cafile=files.client_ca)
        context.verify_mode = certificate
    return context


def _check_certificates(path: Path, option: str) -> None:
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_verify_locations(cafile=path)
    except ssl.SSLError:
        raise unusable(option, path, _CERTIFICATE_RULE) from None
    except OSError as error:
        raise unreadable(option, path, error) from error


def _load_key(context: ssl.SSLContext, files: TlsFiles) -> None:
    option = f"{files.option}.key"
    try:
        with files.key.open("rb"):
            pass  # load_cert_chain does not tell which of its files is missing
        context.load_cert_chain(files.cert, files.key, password=lambda: b"")  # rather than to ask on the terminal
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            text = f"is not the key of the certificate {files.cert}; give the two that were made together"
            raise unusable(option, files.key, text) from None
        raise unusable(option, files.key, _KEY_RULE) from None
    except OSError as error:
        raise unreadable(option, files.key, error) from error


class RotatingContext(ssl.SSLContext):
    """An ``SSLContext`` for asyncio's servers that lets every new connection have the certificates of the day.

    asyncio asks its context for one object a connection; this one hands the question on to the newest context. To
    change the one that a server was started with would not do: certificates can be added to it, never taken away.
    """

    _newest: Callable[[], ssl.SSLContext]

    @classmethod
    def of(
        cls,
        files: TlsFiles,
        *,
        certificate: ssl.VerifyMode = ssl.CERT_REQUIRED,
        clock: Callable[[], float] = time.monotonic,
    ) -> "RotatingContext":
        """The context of these files, whatever they hold at the time. Arguments and errors as ``make_context``."""
        context = cls(ssl.PROTOCOL_TLS_SERVER)
        context._newest = _Renewed(files, lambda: make_context(files, certificate=certificate), clock).get
        return context

    def wrap_bio(self, *args: Any, **kwargs: Any) -> ssl.SSLObject:
        """One connection's TLS."""
        return self._newest().wrap_bio(*args, **kwargs)


def grpc_credentials(files: TlsFiles, clock: Callable[[], float] = time.monotonic) -> grpc.ServerCredentials:
    """The credentials of a gRPC server, which asks for the newest at each handshake; errors as ``make_context``."""
    renewed = _Renewed(files, lambda: _grpc_configuration(files), clock)
    return grpc.dynamic_ssl_server_credentials(
        renewed.get(), renewed.renewed, require_client_authentication=files.client_ca is not None
    )


def _grpc_configuration(files: TlsFiles) -> grpc.ServerCertificateConfiguration:
    make_context(files)  # gRPC itself says nothing of what is wrong
    ca = None if files.client_ca is None else files.client_ca.read_bytes()
    return grpc.ssl_server_certificate_configuration([(files.key.read_bytes(), files.cert.read_bytes())], ca)


class _Renewed(Generic[_Made]):
    """Something that is made of files, and made again once they have changed. May be asked from any thread.

    Files that cannot be used any more are logged, and what was made of the former ones stays in use.
    """

    def __init__(self, files: TlsFiles, make: Callable[[], _Made], clock: Callable[[], float]) -> None:
        self._option = files.option
        self._make = make
        self._watch = Watch(files.paths, clock)  # before they are read: a change in between is seen
        self._value = make()

    def get(self) -> _Made:
        """The newest one."""
        self.renewed()
        return self._value

    def renewed(self) -> _Made | None:
        """The newest one if it was made just now, else ``None``."""
        if not self._watch.changed():
            return None
        try:
            self._value = self._make()
        except (ConfigError, OSError) as problem:
            why = said(problem) if isinstance(problem, ConfigError) else problem.strerror
            log.error("the certificates stay as they were", option=self._option, problem=why)
            return None
        log.info("certificates were read again", option=self._option)
        return self._value
