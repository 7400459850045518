"""Request bodies are unpacked, and never to more than allowed."""

import gzip
import zlib

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from collector.intake import Refusal, Refused
from collector.receivers.compression import decompress
from collector.receivers.limits import MIB, ReceiverLimits

LIMITS = ReceiverLimits()
TEXT = b"what the app said, " * 10_000


def raw_deflate(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(data) + packer.flush()


def zstd_without_size(data: bytes) -> bytes:
    return zstandard.ZstdCompressor(write_content_size=False).compress(data)


PACKERS = {
    "gzip": ("gzip", gzip.compress),
    "x-gzip": ("x-gzip", gzip.compress),
    "deflate": ("deflate", zlib.compress),
    "raw deflate": ("deflate", raw_deflate),
    "zstd": ("zstd", zstandard.ZstdCompressor().compress),
    "zstd of unknown size": ("zstd", zstd_without_size),
    "identity": ("identity", bytes),
}
each_packer = pytest.mark.parametrize(("encoding", "pack"), PACKERS.values(), ids=list(PACKERS))
each_compressor = pytest.mark.parametrize(("encoding", "pack"), list(PACKERS.values())[:-1], ids=list(PACKERS)[:-1])


def refusal_of(body: bytes, encoding: str, limits: ReceiverLimits = LIMITS) -> Refusal:
    with pytest.raises(Refused) as caught:
        decompress(body, encoding, limits)
    return caught.value.reason


@each_packer
@pytest.mark.parametrize("data", [b"", b"x", TEXT], ids=["empty", "one byte", "text"])
def test_what_was_packed_comes_out_again(encoding, pack, data):
    assert decompress(pack(data), encoding, LIMITS) == data


@pytest.mark.parametrize("encoding", [None, "", "identity", "IDENTITY"])
def test_no_encoding_leaves_the_body_as_it_is(encoding):
    assert decompress(b"as it is", encoding, LIMITS) == b"as it is"


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "zstd"])
def test_an_empty_body_is_empty_whatever_its_encoding(encoding):
    assert decompress(b"", encoding, LIMITS) == b""


@pytest.mark.parametrize("encoding", ["gzip", "zstd"])
def test_several_members_are_one_body(encoding):
    pack = PACKERS[encoding][1]
    assert decompress(pack(b"one ") + pack(b"two ") + pack(TEXT), encoding, LIMITS) == b"one two " + TEXT


@each_compressor
def test_a_cut_body_is_malformed(encoding, pack):
    assert refusal_of(pack(TEXT)[:-3], encoding) is Refusal.MALFORMED


@each_compressor
def test_garbage_is_malformed(encoding, pack):  # noqa: ARG001  # one body for all
    assert refusal_of(b"\xff\xfe this was never packed", encoding) is Refusal.MALFORMED


@pytest.mark.parametrize("encoding", ["gzip", "zstd"])
def test_garbage_after_the_body_is_malformed(encoding):
    assert refusal_of(PACKERS[encoding][1](TEXT) + b"garbage", encoding) is Refusal.MALFORMED


def test_a_damaged_body_is_malformed():
    packed = bytearray(gzip.compress(TEXT))
    packed[-6] ^= 1
    assert refusal_of(bytes(packed), "gzip") is Refusal.MALFORMED


@pytest.mark.parametrize("encoding", ["br", "gzip, gzip", "zlib"])
def test_another_encoding_is_not_supported(encoding):
    assert refusal_of(b"x", encoding) is Refusal.UNSUPPORTED_TYPE


@each_packer
def test_a_body_over_the_limit_is_too_large(encoding, pack):
    limits = ReceiverLimits(request_bytes=1000)
    noise = b"".join(zlib.crc32(str(n).encode()).to_bytes(4) for n in range(300))
    assert refusal_of(pack(noise), encoding, limits) is Refusal.TOO_LARGE


@each_compressor
def test_a_bomb_is_refused_by_its_ratio(encoding, pack):
    assert refusal_of(pack(bytes(10 * MIB)), encoding) is Refusal.TOO_LARGE


@each_compressor
def test_a_small_body_may_shrink_by_more_than_the_ratio(encoding, pack):
    assert len(decompress(pack(bytes(MIB)), encoding, LIMITS)) == MIB


def test_a_body_of_nothing_but_empty_members_is_refused():
    assert refusal_of(gzip.compress(b"") * 2000, "gzip") is Refusal.TOO_LARGE


def test_a_zstd_frame_that_wants_a_huge_window_is_malformed():
    options = zstandard.ZstdCompressionParameters(window_log=27, write_content_size=False)
    packer = zstandard.ZstdCompressor(compression_params=options).compressobj()
    assert refusal_of(packer.compress(TEXT) + packer.flush(), "zstd") is Refusal.MALFORMED


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(["gzip", "deflate", "zstd"]), st.binary(max_size=100), st.integers(0, 60), st.binary(max_size=3))
def test_any_bytes_are_unpacked_or_refused(encoding, data, place, damage):
    packed = PACKERS[encoding][1](data)
    damaged = packed[:place] + damage + packed[place + len(damage) :]
    try:
        assert len(decompress(damaged, encoding, LIMITS)) <= MIB
    except Refused:
        return
