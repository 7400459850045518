"""What unit tests of one folder share: an empty store on each database that is at hand."""

import os
import uuid

import pytest
import sqlalchemy as sa

from exporters.store import Store

POSTGRES = os.environ.get("SIDECHECK_TEST_POSTGRES_URL")
needs_postgres = pytest.mark.skipif(
    not POSTGRES,
    reason="no PostgreSQL: set SIDECHECK_TEST_POSTGRES_URL=postgresql+psycopg://user@host/database to one",
)


@pytest.fixture(params=[pytest.param("postgresql", marks=needs_postgres)])
def postgres_or_skip(postgres_url):
    """The address of an empty PostgreSQL database, for what only PostgreSQL can show."""
    return postgres_url


@pytest.fixture
def postgres_url():
    """An empty database of its own on the server that the environment names."""
    admin = sa.create_engine(POSTGRES, isolation_level="AUTOCOMMIT")
    name = f"sidecheck_{uuid.uuid4().hex}"
    with admin.connect() as connection:
        connection.execute(sa.text(f"CREATE DATABASE {name}"))
    try:
        yield sa.make_url(POSTGRES).set(database=name).render_as_string(hide_password=False)
    finally:
        with admin.connect() as connection:
            connection.execute(sa.text(f"DROP DATABASE {name} WITH (FORCE)"))
        admin.dispose()


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=needs_postgres)])
def store_url(request, tmp_path):
    """The address of an empty database."""
    if request.param == "postgresql":
        return request.getfixturevalue("postgres_url")
    return f"sqlite:///{tmp_path / 'store.db'}"


@pytest.fixture
def store(store_url, tmp_path):
    """An empty store."""
    with Store.open(store_url, tmp_path) as opened:
        yield opened
