"""OTLP servers as the settings name them, in their own terms; refused where what is sent would come back at once.

What comes back by way of others cannot be seen from here: receivers know it when it comes (``exporters.otlp.hops``).
"""

import contextlib
import ipaddress
import socket
from collections.abc import Iterable

from collector.settings import ConfigError, Problem, Settings
from collector.settings_backends import Backend
from exporters.otlp.destination import Target


def target_of(backend: Backend) -> Target:
    """A section of the settings that names an OTLP server, in that server's own terms."""
    return Target(
        backend.label,
        backend.endpoint,
        backend.protocol,
        backend.headers,
        backend.headers_file,
        backend.tls.ca,
        backend.tls.cert,
        backend.tls.key,
        gzip=backend.compression == "gzip",
        timeout_s=backend.timeout / 1e9,
    )


def refuse_loops(settings: Settings) -> None:
    """Find what would be sent to this very process, whose receivers would send it on again.

    Raises:
        ConfigError: naming each backend that is an address of the sidecar's own.
    """
    problems = [
        Problem(
            f"{key}.endpoint", f"{backend.endpoint} is {listener}, where sidecheck itself listens; name another server"
        )
        for key, backend in settings.backends.items()
        for listener in _reached(target_of(backend), settings)
    ]
    if problems:
        raise ConfigError(*problems)


def _reached(target: Target, settings: Settings) -> Iterable[str]:
    host, port = target.host_port
    for key, section in settings.ports.items():
        if section.listen.port == port and _same_host(host, section.listen.host):
            yield f"{key}.listen"


def _same_host(host: str, listened: str) -> bool:
    """Whether a connection to ``host`` ends where ``listened`` listens, as far as the name service knows now."""
    here = _addresses(listened)
    return any(
        address in here or (any(a.is_unspecified for a in here) and _is_local(address)) for address in _addresses(host)
    )


def _addresses(host: str) -> set[ipaddress.IPv4Address | ipaddress.IPv6Address]:
    with contextlib.suppress(ValueError):
        return {ipaddress.ip_address(host)}
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except OSError:  # not known now; a server that is not there yet is no mistake
        return set()
    return {ipaddress.ip_address(str(entry[4][0]).partition("%")[0]) for entry in found}


def _is_local(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    """Whether it is an address of this machine: only such a one can be bound."""
    family = socket.AF_INET6 if address.version == 6 else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((str(address), 0))
        except OSError:
            return False
    return True
