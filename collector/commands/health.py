"""``sidecheck health``: what the sidecar of this configuration says on its metrics port; for probes of containers."""

import http.client
import json
import ssl

from collector.settings import Settings
from collector.settings_units import Address

WITHIN_S = 4.0
"""Below the timeout of the image's health check, so that the reason is told."""
ALIVE, READY = "/healthz", "/readyz"


class NotWell(Exception):
    """Nobody answers, or the answer is no. Not among ``problems``, which load the store: a probe is asked for ever."""


def run(settings: Settings, *, ready: bool = False) -> str:
    """Ask whether the process lives, or whether it takes telemetry in (``ready``); gives what it says, in one line.

    Raises:
        NotWell: nobody answers, or the answer is no.
    """
    address = _from_here(settings.metrics.listen)
    connection = _connection(address, has_tls=settings.metrics.tls.cert is not None)
    try:
        connection.request("GET", READY if ready else ALIVE)
        answer = connection.getresponse()
        said = json.load(answer)
        told = "; ".join([said["status"], *said["problems"]])
    except (OSError, http.client.HTTPException, ValueError, TypeError, KeyError) as error:
        raise NotWell(f"no sidecheck answers at {address} (metrics.listen): {type(error).__name__}") from None
    finally:
        connection.close()
    if answer.status != http.client.OK:
        raise NotWell(told)
    return told


def _from_here(listen: Address) -> Address:
    """Where this machine reaches what listens there: all addresses of a machine are also that of loopback."""
    if listen.ip is None or not listen.ip.is_unspecified:
        return listen
    return Address("127.0.0.1" if listen.ip.version == 4 else "::1", listen.port)


def _connection(address: Address, *, has_tls: bool) -> http.client.HTTPConnection:
    """Nothing secret is told there, so the certificate may be expired or anyone's, as it may be for a kubelet."""
    if not has_tls:
        return http.client.HTTPConnection(address.host, address.port, timeout=WITHIN_S)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    tls.check_hostname = False
    tls.verify_mode = ssl.CERT_NONE
    return http.client.HTTPSConnection(address.host, address.port, timeout=WITHIN_S, context=tls)
