"""Sizes, durations and addresses as people write them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checks.duration import parse_duration
from collector.settings import Address, format_duration, format_size, parse_size


@pytest.mark.parametrize(
    ("text", "size"),
    [
        (1024, 1024),
        ("1024", 1024),
        ("20MiB", 20 * 2**20),
        ("512MB", 512 * 10**6),
        ("1.5 GiB", 3 * 2**29),
        ("64Mi", 64 * 2**20),
        ("7 kb", 7000),
        ("3B", 3),
    ],
)
def test_a_size_is_read_with_binary_and_decimal_units(text, size):
    assert parse_size(text) == size


@pytest.mark.parametrize(
    "text", ["", "MiB", "-1", 0, -5, True, None, 1.5, "1e3", "1 PiB", "99999999999TiB", [], "٣MiB"]
)
def test_what_is_no_size_is_refused_with_the_rule(text):
    with pytest.raises(ValueError, match="must be a size such as"):
        parse_size(text)


@given(st.integers(min_value=1, max_value=2**60))
def test_a_size_is_written_so_that_it_is_read_back_exactly(size):
    assert parse_size(format_size(size)) == size


@given(st.integers(min_value=0, max_value=10**18))
def test_a_duration_is_written_so_that_it_is_read_back_exactly(duration_ns):
    assert parse_duration(format_duration(duration_ns)) == duration_ns


@pytest.mark.parametrize(("seconds", "written"), [(0, "0s"), (2, "2s"), (600, "10m"), (86400, "24h"), (2592000, "30d")])
def test_a_duration_is_written_in_its_usual_unit(seconds, written):
    assert format_duration(seconds * 10**9) == written


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("127.0.0.1:4317", "127.0.0.1", 4317),
        ("localhost:0", "localhost", 0),
        ("[::1]:80", "::1", 80),
        ("[0:0:0:0:0:0:0:1]:80", "::1", 80),
    ],
)
def test_an_address_is_a_host_and_a_port(text, host, port):
    assert Address.parse(text) == Address(host, port)


@pytest.mark.parametrize(
    "text", ["", ":80", "80", "a:b", "a:70000", "::1:80", "[::1]", "[::g]:1", "http://a:80", "a b:1"]
)
def test_what_is_no_address_is_refused_with_the_rule(text):
    with pytest.raises(ValueError, match="must be host:port"):
        Address.parse(text)


def test_an_address_is_written_as_it_is_read():
    assert [str(Address.parse(text)) for text in ("[::1]:80", "a.b:1")] == ["[::1]:80", "a.b:1"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [("127.9.9.9:1", True), ("localhost:1", True), ("[::1]:1", True), ("0.0.0.0:1", False), ("example.com:1", False)],
)
def test_an_address_knows_whether_only_this_machine_reaches_it(text, expected):
    assert Address.parse(text).is_loopback is expected


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("127.0.0.1:1", "127.0.0.1:1", True),
        ("localhost:1", "127.0.0.1:1", True),
        ("0.0.0.0:1", "127.0.0.1:1", True),
        ("127.0.0.1:1", "127.0.0.1:2", False),
        ("127.0.0.1:0", "127.0.0.1:0", False),
        ("127.0.0.1:1", "[::1]:1", False),
    ],
)
def test_two_addresses_clash_where_both_cannot_listen(one, other, expected):
    assert Address.parse(one).clashes_with(Address.parse(other)) is expected
