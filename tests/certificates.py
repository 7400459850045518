"""Certificates for tests: an authority of one's own, and what it issues, as PEM files."""

import datetime as dt
import ipaddress
import itertools
import os
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

_NOW = dt.datetime.now(dt.UTC)
_SERIALS = itertools.count(1000)


@dataclass(frozen=True)
class Identity:
    """A certificate and its key."""

    cert: Path
    key: Path
    serial: int

    def replace(self, other: "Identity") -> None:
        """Become ``other``: the files are swapped, as a certificate manager does it."""
        for mine, theirs in ((self.key, other.key), (self.cert, other.cert)):
            swap(mine, theirs.read_bytes())


def swap(path: Path, content: bytes) -> None:
    """Put a new file in the place of an old one, at once."""
    new = path.with_name(path.name + ".new")
    new.write_bytes(content)
    new.chmod(0o600)
    os.replace(new, path)  # noqa: PTH105  # the same, and its name says that it is atomic


class Authority:
    """A certificate authority that keeps everything in a folder. ``cert`` is its own certificate's file."""

    def __init__(self, folder: Path, name: str = "authority") -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._name = _name(name)
        self._key = ec.generate_private_key(ec.SECP256R1())
        builder = _builder(self._name, self._name, self._key.public_key())
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        self.cert = folder / f"{name}.crt"
        self.cert.write_bytes(builder.sign(self._key, hashes.SHA256()).public_bytes(Encoding.PEM))

    def issue(self, name: str = "server", passphrase: bytes | None = None) -> Identity:
        """A certificate for this machine, for servers and clients alike."""
        key = ec.generate_private_key(ec.SECP256R1())
        hosts = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.IPv4Address("127.0.0.1"))]
        builder = _builder(_name(name), self._name, key.public_key())
        builder = builder.add_extension(x509.SubjectAlternativeName(hosts), critical=False)
        cert = builder.sign(self._key, hashes.SHA256())
        found = Identity(self._folder / f"{name}.crt", self._folder / f"{name}.key", cert.serial_number)
        found.cert.write_bytes(cert.public_bytes(Encoding.PEM))
        encryption = BestAvailableEncryption(passphrase) if passphrase else NoEncryption()
        found.key.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption))
        found.key.chmod(0o600)
        return found


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _builder(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
    day = dt.timedelta(days=1)
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(key)
    return builder.serial_number(next(_SERIALS)).not_valid_before(_NOW - day).not_valid_after(_NOW + day)
