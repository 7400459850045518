"""What all tests share: real servers, made on demand or skipped with the command that brings them."""

import os
import shutil
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import externals
import pytest
import sqlalchemy as sa
import stamina

if TYPE_CHECKING:
    import brokers

    from exporters.store import Store


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files that take long come first, so that none is left over at the end; ``late`` ones behind their likes."""
    items.sort(key=lambda item: ("unit" in item.path.parts, item.get_closest_marker("late") is not None))


@pytest.fixture(scope="session")
def require() -> Callable[[str], Path]:
    """``require("prometheus")``: the folder of its programs, or the test is skipped (or fails, if it is required)."""
    return externals.require


@pytest.fixture(scope="session")
def postgres_server(require) -> Iterator[str]:
    """The URL of a PostgreSQL database from which others can be made: the environment's, or a throw-away server's."""
    given = os.environ.get("SIDECHECK_TEST_POSTGRES_URL")
    if given:
        yield given
        return
    with externals.postgres_cluster(require("postgres")) as cluster:
        yield cluster.url


@pytest.fixture
def postgres_cluster(require) -> Iterator[externals.PostgresCluster]:
    """A PostgreSQL server of the test's own, to be stopped and started."""
    with externals.postgres_cluster(require("postgres")) as cluster:
        yield cluster


@contextmanager
def database(server: str, *, like: str = "template1") -> Iterator[str]:
    """A new PostgreSQL database, gone afterwards; ``like`` names the one that it is a copy of."""
    admin = sa.create_engine(server, isolation_level="AUTOCOMMIT")
    name = f"sidecheck_{uuid.uuid4().hex}"
    with admin.connect() as connection:
        connection.execute(sa.text(f"CREATE DATABASE {name} TEMPLATE {like}"))
    try:
        yield sa.make_url(server).set(database=name).render_as_string(hide_password=False)
    finally:
        with admin.connect() as connection:
            connection.execute(sa.text(f"DROP DATABASE {name} WITH (FORCE)"))
        admin.dispose()


@pytest.fixture
def postgres_url(postgres_server) -> Iterator[str]:
    """An empty PostgreSQL database of the test's own."""
    with database(postgres_server) as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def store_url(request, tmp_path) -> str:
    """The address of an empty database, on each of the databases that a store can be in."""
    if request.param == "postgresql":
        return request.getfixturevalue("postgres_url")
    return f"sqlite:///{tmp_path / 'store.db'}"


@pytest.fixture(scope="session")
def prepared_file(tmp_path_factory) -> Path:
    """The file of an empty store, to be copied: to make one takes longer than what most tests do with it."""
    from exporters.store import Store

    folder = tmp_path_factory.mktemp("prepared")
    Store.open(None, folder).close()
    return folder / "sidecheck.db"


@pytest.fixture(scope="session")
def prepared_database(postgres_server) -> Iterator[str]:
    """The name of a PostgreSQL database with an empty store, to be copied."""
    from exporters.store import Store

    with database(postgres_server) as url:
        Store.open(url).close()
        yield str(sa.make_url(url).database)


@pytest.fixture
def prepared_folder(prepared_file, tmp_path) -> Path:
    """A folder of the test's own with the file of an empty store, as the first start of a sidecheck leaves it."""
    shutil.copy(prepared_file, tmp_path)
    return tmp_path


@pytest.fixture(params=["sqlite", "postgresql"])
def prepared_url(request, tmp_path) -> Iterator[str]:
    """As ``store_url``, but with the tables of a store: for whoever does not ask how these are made."""
    if request.param == "postgresql":
        name = request.getfixturevalue("prepared_database")
        with database(request.getfixturevalue("postgres_server"), like=name) as url:
            yield url
    else:
        shutil.copy(request.getfixturevalue("prepared_file"), tmp_path / "store.db")
        yield f"sqlite:///{tmp_path / 'store.db'}"


@pytest.fixture(scope="session")
def kafka_broker(require) -> "Iterator[brokers.Broker]":
    """One Kafka for all tests of a session; whoever stops it starts it again."""
    import brokers  # and the client with it, which is slow to load

    with brokers.broker(require("kafka")) as broker:
        yield broker


@pytest.fixture
def kafka(kafka_broker) -> "brokers.Corner":
    """A test's own topics and group on that Kafka."""
    import brokers

    return brokers.corner(kafka_broker)


@pytest.fixture
def store(prepared_url, tmp_path) -> "Iterator[Store]":
    """An empty store."""
    from exporters.store import Store

    with Store.open(prepared_url, tmp_path) as opened:
        yield opened


@pytest.fixture
def no_waiting() -> Iterator[None]:
    """What is tried again is tried at once, and five times at most."""
    stamina.set_testing(True, attempts=5)
    yield
    stamina.set_testing(False)
