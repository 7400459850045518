"""A command's questions to a running sidecar's API, and how it is told that none runs."""

import http.client
import json
import ssl
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from collector.commands.people import has_store
from collector.commands.problems import CommandError
from collector.settings import Settings

WITHIN_S = 120.0
"""Rewriting a large store takes its time."""


Shown = tuple[Path | None, Path | None]
"""A certificate that a command shows of itself and its key (PEM), in one file or in two; twice ``None`` for nothing."""
NOTHING: Shown = (None, None)


class NobodyAnswers(Exception):
    """No sidecar listens at the address."""


@dataclass(frozen=True, slots=True)
class Remote:
    """The API of a sidecar: its address, a token that it takes, and how its certificate is looked at."""

    url: str
    token: str | None = None
    tls: ssl.SSLContext | None = None

    @classmethod
    def of(cls, settings: Settings, url: str | None = None, client: Shown = NOTHING) -> "Remote":
        """The sidecar of this configuration, or the one at ``url``, to which ``client`` is shown.

        Raises:
            CommandError: an address or a file that cannot be used.
        """
        api = settings.api
        scheme = "http" if api.tls.cert is None else "https"
        address = url or f"{scheme}://{api.listen}"
        if not address.startswith(("http://", "https://")):
            raise CommandError(f"--url {address[:80]}: must begin with http:// or https://")
        try:
            token = api.token_file.read_text("ascii", "replace").split()[0] if api.token_file else None
            tls = _trusting(api.tls.cert, is_own=url is None)
        except (OSError, IndexError) as error:
            raise CommandError(f"api.token_file or api.tls.cert cannot be used: {type(error).__name__}") from None
        _show(tls, *client)
        return cls(address.rstrip("/"), token, tls)

    def ask(self, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """GET ``path``, or POST ``body`` there.

        Raises:
            NobodyAnswers: nobody listens there.
            CommandError: the answer is an error, or none at all.
        """
        headers = {"Content-Type": "application/json"} | (
            {"Authorization": f"Bearer {self.token}"} if self.token else {}
        )
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.url}{path}", data, headers)  # noqa: S310 - ``of`` looked at the scheme
        # A sidecar is no site behind a proxy.
        opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=self.tls)
        )
        try:
            with opener.open(request, timeout=WITHIN_S) as response:
                return dict(json.load(response))
        except urllib.error.HTTPError as error:
            raise CommandError(f"the sidecar at {self.url} refused: {_reason(error)}") from None
        except (OSError, ValueError, TypeError, http.client.HTTPException) as error:
            # What speaks no HTTP is quoted in the exception's own text, control characters and all.
            why = getattr(error, "reason", None) or type(error).__name__
            if isinstance(why, ConnectionRefusedError):
                raise NobodyAnswers from None
            hint = _hint(error, why) if self.url.startswith("https:") else ""
            raise CommandError(f"no sidecheck answers at {self.url} ({why}){hint}") from None


def _trusting(cert: Path | None, *, is_own: bool) -> ssl.SSLContext:
    """TLS that also trusts the certificate in the sidecar's own configuration, whoever issued it.

    Where that very sidecar is asked (``is_own``), nothing else is trusted; its certificate need not be for the address
    that it listens on then, which often is one of this machine.
    """
    if cert is None:
        return ssl.create_default_context()
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT) if is_own else ssl.create_default_context()
    tls.load_verify_locations(cert)
    tls.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    tls.check_hostname = not is_own
    return tls


def _hint(*errors: object) -> str:
    """What a server does that misses the client's certificate: it hangs up, now or at the first read."""
    hung_up = any(isinstance(error, ssl.SSLError | ConnectionResetError) for error in errors)
    if not hung_up or any(isinstance(error, ssl.SSLCertVerificationError) for error in errors):
        return ""
    return "; where it asks for a client's certificate, show one with --cert and --key"


def _show(tls: ssl.SSLContext, cert: Path | None, key: Path | None) -> None:
    """Let ``tls`` show a client's certificate, for a sidecar with ``api.tls.client_ca``."""
    if cert is None:
        if key is not None:
            raise CommandError("--key: name the certificate that the key belongs to as well, with --cert")
        return
    try:
        tls.load_cert_chain(cert, key, password=lambda: b"")  # rather than to ask on the terminal
    except OSError as error:
        why = getattr(error, "reason", None) or error.strerror or type(error).__name__
        files = f"--cert {cert}" if key is None else f"--cert {cert}, --key {key}"
        rule = "they must hold a certificate and its private key in PEM form, without a passphrase"
        raise CommandError(f"{files}: cannot be used ({why}); {rule}") from None


def needs_store(settings: Settings, remote: Remote) -> None:
    """Raise ``CommandError`` if there is no store that could be asked instead."""
    if not has_store(settings):
        raise CommandError(
            f"no sidecheck answers at {remote.url}, and there is no store in {settings.data_dir}; "
            "is `sidecheck serve` running, is --config the right one?"
        )


def _reason(error: urllib.error.HTTPError) -> str:
    try:
        answer = json.load(error)
        return str(answer["detail"] if "detail" in answer else answer["error"]["message"])
    except (ValueError, KeyError, TypeError):
        return f"HTTP {error.code}"
