"""Certificates in files: what is wrong with them is told, and new ones are taken."""

import ssl
from pathlib import Path

import pytest
from certificates import Authority, Identity
from guarded_servers import Seconds
from structlog.testing import capture_logs

from collector.access.tls import RotatingContext, TlsFiles, grpc_credentials, make_context
from collector.settings import ConfigError


@pytest.fixture
def authority(tmp_path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture
def server(authority) -> Identity:
    return authority.issue()


@pytest.fixture
def garbage(tmp_path) -> Path:
    path = tmp_path / "garbage"
    path.write_text("no PEM")
    return path


def refused(cert: Path, key: Path, client_ca: Path | None = None) -> str:
    with pytest.raises(ConfigError) as caught:
        make_context(TlsFiles("api.tls", cert, key, client_ca))
    return str(caught.value)


def test_certificate_and_key_that_belong_together_are_taken(server):
    context = make_context(TlsFiles("api.tls", server.cert, server.key))
    assert context.minimum_version.name == "TLSv1_2"
    assert context.verify_mode.name == "CERT_NONE"


def test_with_a_client_ca_a_certificate_is_asked_for(server, authority):
    context = make_context(TlsFiles("api.tls", server.cert, server.key, authority.cert))
    assert context.verify_mode.name == "CERT_REQUIRED"


@pytest.mark.parametrize("make", [make_context, RotatingContext.of, grpc_credentials])
def test_key_and_certificate_of_two_pairs_are_refused(server, authority, make):
    other = authority.issue("other")
    with pytest.raises(ConfigError, match=r"api\.tls\.key: .*other\.key is not the key of the certificate .*server"):
        make(TlsFiles("api.tls", server.cert, other.key))


def test_files_that_hold_something_else_are_refused_by_name(server, garbage):
    assert f"api.tls.cert: {garbage} holds no certificate in PEM form" in refused(garbage, server.key)
    assert f"api.tls.key: {garbage} holds no private key in PEM form" in refused(server.cert, garbage)
    assert f"api.tls.client_ca: {garbage} holds no cert" in refused(server.cert, server.key, garbage)
    assert "api.tls.cert: " in refused(server.key, server.key)


def test_files_that_are_missing_are_refused_by_name(server, tmp_path):
    nowhere = tmp_path / "nowhere"
    assert f"api.tls.cert: {nowhere} cannot be read (No such file" in refused(nowhere, server.key)
    assert f"api.tls.key: {nowhere} cannot be read (No such file" in refused(server.cert, nowhere)
    assert f"api.tls.client_ca: {nowhere} cannot be read" in refused(server.cert, server.key, nowhere)


def test_a_key_with_a_passphrase_is_refused_rather_than_asked_for(authority):
    locked = authority.issue("locked", passphrase=b"x")
    assert "without a passphrase" in refused(locked.cert, locked.key)


def connection(context: RotatingContext) -> object:
    """What asyncio asks a context for, for each connection; its context tells which certificates it has."""
    return context.wrap_bio(ssl.MemoryBIO(), ssl.MemoryBIO(), server_side=True).context


def test_new_files_make_a_new_context_for_new_connections_only(server, authority):
    clock = Seconds()
    context = RotatingContext.of(TlsFiles("api.tls", server.cert, server.key), clock=clock)
    first = connection(context)
    server.replace(authority.issue("next"))
    assert connection(context) is first
    clock.now += 1
    second = connection(context)
    assert second is not first
    assert connection(context) is second


def test_files_that_break_in_use_are_logged_and_the_old_ones_stay_until_they_are_mended(server, authority):
    clock = Seconds()
    context = RotatingContext.of(TlsFiles("api.tls", server.cert, server.key), clock=clock)
    first = connection(context)
    whole = server.cert.read_bytes()
    server.cert.write_bytes(whole[:40])
    clock.now += 1
    with capture_logs() as logs:
        assert connection(context) is first
    assert [line["log_level"] for line in logs] == ["error"]
    assert str(server.cert) in logs[0]["problem"]
    server.replace(authority.issue("next"))
    clock.now += 1
    assert connection(context) is not first
