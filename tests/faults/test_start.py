"""Files that were damaged while nobody looked: the journal's are repaired, the store's are for a person to look at."""

import hashlib
import sqlite3
from contextlib import closing

import pytest
from faults.kit.ledger import Ledger
from faults.kit.load import Load
from faults.kit.oracle import LIGHT_CHECKS, Watch, compare, settle
from faults.kit.scale import is_long, short_or_long
from faults.kit.sidecar import LIGHT, Sidecar
from faults.kit.targets import HttpTarget
from faults.kit.traffic import a_numbered_span, a_request, plain, trace_id
from servers import run_sidecheck, until

from exporters.store import Store


def garbage(path):
    """Not a database at all."""
    path.write_bytes(b"no database at all, " * 1000)


def torn(path):
    """A database whose second half is gone."""
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2 // 4096 * 4096])


def scratched(path):
    """A database with pages of noise."""
    data = bytearray(path.read_bytes())
    for page in range(4096, len(data), 8192):
        data[page : page + 4096] = hashlib.sha512(bytes([page % 251])).digest() * 64
    path.write_bytes(data)


def digest_of(folder):
    """What stands in the store's files."""
    return {path.name: path.read_bytes() for path in folder.glob("sidecheck.db*")}


@pytest.mark.parametrize("damage", short_or_long([garbage], [garbage, torn, scratched]))
def test_a_damaged_store_stops_the_start_with_a_clear_sentence_and_nothing_is_deleted(damage, tmp_path):
    data = tmp_path / "data"
    Store.open(None, data).close()
    damage(data / "sidecheck.db")
    before = digest_of(data)
    listeners = {f"SIDECHECK_{name}__LISTEN": "127.0.0.1:0" for name in ("OTLP__GRPC", "OTLP__HTTP", "API", "METRICS")}
    done = run_sidecheck("serve", SIDECHECK_DATA_DIR=str(data), **listeners)
    assert done.returncode == 2
    said = done.stderr.strip().splitlines()[-1]
    assert said.startswith("sidecheck: the store sqlite")
    assert "damaged" in said
    assert "nothing was deleted" in said
    assert "Traceback" not in done.stderr
    assert digest_of(data) == before


def test_a_damaged_journal_is_put_aside_and_the_start_goes_on(tmp_path, table):
    data = tmp_path / "data"
    data.mkdir()
    garbage(data / "journal.db")
    ledger = Ledger(tmp_path / "ledger")
    with Sidecar(data, **LIGHT) as sidecar, Watch(sidecar) as seen:
        assert sidecar.metric("sidecheck_journal_recovered_total", what="lost") == 1
        assert [path.read_bytes()[:11] for path in data.glob("journal.db.damaged-*")] == [b"no database"]
        with Load(ledger, HttpTarget(sidecar.addresses["otlp_http"]), plain(), rate=50, count=20):
            pass
        settle(sidecar)
        found = compare(ledger, data, LIGHT_CHECKS)
        table.add("journal damaged at start", 1, found, seen)
    assert "the journal was damaged" in sidecar.logged()
    found.assert_kept()
    seen.assert_sound()


@pytest.mark.skipif(not is_long(), reason="takes three starts; tests/unit/test_journal.py has the short form")
@pytest.mark.parametrize(("sync", "is_kept"), [("off", False), ("normal", True), ("full", True)])
def test_what_a_kill_leaves_is_what_journal_sync_promises(sync, is_kept, tmp_path):
    settings = {**LIGHT, "SIDECHECK_JOURNAL__SYNC": sync, "SIDECHECK_ASSEMBLY__IDLE": "5s"}
    with Sidecar(tmp_path / "data", **settings) as sidecar:
        target = HttpTarget(sidecar.addresses["otlp_http"])
        open_one = a_request(7, [a_numbered_span(7, 2)])  # without its root it is still open when the kill comes
        assert target.send(open_one.body).status == "200"
        sidecar.kill()
        sidecar.restart()
        assert (tmp_path / "data" / "journal.db").exists() == is_kept
        whole = a_request(8, [a_numbered_span(8, 1)])
        assert target.send(whole.body).status == "200"
        until("the later trace is judged", lambda: in_store(sidecar, 8))
        until("nothing is open", lambda: sidecar.metric("sidecheck_traces_open") == 0)
        until("the outcome is known", lambda: in_store(sidecar, 7) or not is_kept)
        assert in_store(sidecar, 7) == is_kept


def in_store(sidecar, number):
    """Whether a trace is stored."""
    with closing(sqlite3.connect(sidecar.data_dir / "sidecheck.db", timeout=30)) as connection:
        wanted = trace_id(number).hex()
        return connection.execute("SELECT 1 FROM traces WHERE trace_id = ?", (wanted,)).fetchone() is not None
