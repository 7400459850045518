"""What all commands share: the option that names the configuration, and how they end when something is wrong.

Exit codes: 0 all is well, 1 a check failed or something was refused, 2 input or configuration that cannot be used.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from collector.settings import CONFIG_VARIABLE, ConfigError, Settings, load

FAILED, UNUSABLE = 1, 2

ConfigPath = Annotated[
    Path | None,
    typer.Option(
        "--config",
        "-c",
        envvar=CONFIG_VARIABLE,
        help="YAML file; without it the defaults. SIDECHECK_ variables override both.",
    ),
]


def settings_of(path: Path | None) -> Settings:
    """The configuration in force; the command ends where it cannot be used."""
    try:
        return load(path, os.environ)
    except ConfigError as error:
        stop(str(error))


@contextmanager
def told() -> Iterator[None]:
    """Expected errors end as one sentence and exit code 2, never as a stack trace."""
    from collector.commands.problems import EXPECTED  # loads what most commands do not need

    try:
        yield
    except EXPECTED as error:
        stop(str(error))
    except KeyboardInterrupt:
        raise typer.Exit(130) from None


def stop(problem: str, code: int = UNUSABLE) -> NoReturn:
    """End the command."""
    typer.echo(f"sidecheck: {problem}", err=True)
    raise typer.Exit(code)
