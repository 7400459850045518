"""``sidecheck config``: whether the configuration can be used, what is in force, and its schema. Starts nothing."""

import json

import typer

from collector.commands.frame import ConfigPath, settings_of
from collector.settings import as_yaml, json_schema, warnings

app = typer.Typer(help="Look at the configuration.", no_args_is_help=True)


@app.command("validate")
def validate(config: ConfigPath = None) -> None:
    """Say whether the configuration can be used; exit code 2 and every problem if not.

    Files that it names (tokens, certificates, secrets) are not opened, so that it can be asked where they are not.
    """
    settings = settings_of(config)
    for warning in warnings(settings):
        typer.echo(f"warning: {warning}", err=True)
    checks = len(settings.checks)
    typer.echo(f"{config or 'the default configuration'}: valid, {checks} {'check' if checks == 1 else 'checks'}")


@app.command("show")
def show(config: ConfigPath = None) -> None:
    """Print the configuration in force: defaults, file and environment together."""
    typer.echo(as_yaml(settings_of(config)), nl=False)


@app.command("schema")
def schema() -> None:
    """Print the JSON Schema of the configuration file, for editors."""
    typer.echo(json.dumps(json_schema(), indent=2))
