"""Bearer tokens in files."""

import os
from pathlib import Path

import pytest
from guarded_servers import Seconds
from structlog.testing import capture_logs

from collector.access.tokens import LARGEST_FILE, TokenFile, basic_password, bearer_token
from collector.settings import ConfigError


@pytest.fixture
def path(tmp_path) -> Path:
    return tmp_path / "tokens"


@pytest.fixture
def clock() -> Seconds:
    return Seconds()


@pytest.fixture
def tokens(path, clock):
    """The tokens of a file of this text."""

    def tokens(text: str | bytes, mode: int = 0o600) -> TokenFile:
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        path.chmod(mode)
        return TokenFile("api.token_file", path, clock)

    return tokens


def test_the_token_of_the_file_is_accepted_and_no_other(tokens):
    file = tokens("s3cret-Token\n")
    assert file.accepts(b"s3cret-Token")
    assert not any(file.accepts(wrong) for wrong in (b"", b"s3cret", b"s3cret-token", b"s3cret-Token ", b"\xff" * 99))


def test_each_line_is_a_token_and_empty_lines_are_none(tokens):
    file = tokens("\nold\r\n  new  \n\n")
    assert file.accepts(b"old")
    assert file.accepts(b"new")
    assert not file.accepts(b"")


def test_no_token_is_kept_in_memory(tokens):
    assert "s3cret" not in repr(vars(tokens("s3cret")))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is empty; it must hold one token a line"),
        (" \n\n", "is empty"),
        ("good\ntwo words\n", "line 2 holds a space"),
        ("schlüssel\n", "line 1 holds a space or a character that is not ASCII"),
        (b"\x00\x01", "line 1"),
        ("x" * (LARGEST_FILE + 1), "is larger than"),
    ],
)
def test_a_file_that_holds_no_tokens_is_refused_with_option_path_and_rule(tokens, path, text, said):
    with pytest.raises(ConfigError) as caught:
        tokens(text)
    assert f"api.token_file: {path} {said}" in str(caught.value)


def test_a_bad_line_is_not_repeated_in_the_error(tokens):
    with pytest.raises(ConfigError) as caught:
        tokens("my secret\n")
    assert "my secret" not in str(caught.value)


def test_a_missing_file_and_a_folder_are_refused(path, tmp_path):
    with pytest.raises(ConfigError, match=r"cannot be read \(No such file or directory\)"):
        TokenFile("api.token_file", path)
    with pytest.raises(ConfigError, match="is no file"):
        TokenFile("api.token_file", tmp_path)


@pytest.mark.parametrize(("mode", "warned"), [(0o600, False), (0o400, False), (0o640, True), (0o604, True)])
def test_a_file_that_others_can_read_is_warned_of(tokens, mode, warned):
    with capture_logs() as logs:
        assert tokens("one", mode).accepts(b"one")
    assert [line["log_level"] for line in logs] == (["warning"] if warned else [])


def test_a_new_token_is_accepted_within_a_second_and_the_old_one_is_not(tokens, path, clock):
    file = tokens("old")
    path.write_text("newer")
    assert not file.accepts(b"newer")
    clock.now += 1
    assert file.accepts(b"newer")
    assert not file.accepts(b"old")


def test_a_file_of_the_same_size_and_time_that_was_swapped_is_noticed(tokens, path, clock):
    file = tokens("old")
    before = path.stat()
    swapped = path.with_name("swapped")
    swapped.write_text("new")
    os.utime(swapped, ns=(before.st_atime_ns, before.st_mtime_ns))
    swapped.replace(path)
    clock.now += 1
    assert file.accepts(b"new")


def test_the_disk_is_looked_at_once_a_second_at_most(tokens, path, clock):
    file = tokens("old")
    clock.now += 1
    file.accepts(b"")
    path.write_text("newer")
    clock.now += 0.9
    assert not file.accepts(b"newer")


@pytest.mark.parametrize("broken", ["", "two words", None])
def test_a_file_that_breaks_in_use_is_logged_and_the_tokens_stay_until_it_is_mended(tokens, path, clock, broken):
    file = tokens("old")
    path.unlink() if broken is None else path.write_text(broken)
    clock.now += 1
    with capture_logs() as logs:
        assert file.accepts(b"old")
    assert [line["log_level"] for line in logs] == ["error"]
    path.write_text("mended")
    clock.now += 1
    assert file.accepts(b"mended")


def test_a_token_that_was_taken_away_while_nobody_came_is_not_valid_after_the_file_broke(tokens, path, clock):
    file = tokens("old")
    path.write_text("newer")
    clock.now += 1
    file.look()
    path.write_text("two words")
    clock.now += 1
    assert not file.accepts(b"old")
    assert file.accepts(b"newer")


@pytest.mark.parametrize(
    ("header", "token"),
    [
        (b"Bearer abc", b"abc"),
        (b"bearer  abc ", b"abc"),
        (b"Bearer ", b""),
        (b"Bearer", b""),
        (b"Basic abc", None),
        (b"abc", None),
        (b"", None),
    ],
)
def test_the_token_of_a_header(header, token):
    assert bearer_token(header) == token


@pytest.mark.parametrize(
    ("header", "password"),
    [
        (b"Basic dXNlcjphYmM=", b"abc"),  # user:abc
        (b"basic OmE6Yg==", b"a:b"),  # :a:b
        (b"Basic dXNlcg==", None),  # user
        (b"Basic not base64!", None),
        (b"Basic", None),
        (b"Bearer dXNlcjphYmM=", None),
    ],
)
def test_the_password_of_a_header(header, password):
    assert basic_password(header) == password
