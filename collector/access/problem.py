"""What is wrong with a file of tokens, keys or certificates, as a mistake in the configuration."""

from pathlib import Path

from collector.settings import ConfigError, Problem


def unusable(option: str, path: Path, text: str) -> ConfigError:
    """The error of a file that ``option`` names; ``text`` says what is wrong with it, the rule and what to do."""
    return ConfigError(Problem(option, f"{path} {text}"))


def unreadable(option: str, path: Path, error: OSError) -> ConfigError:
    """The error of a file that is missing or may not be read."""
    return unusable(option, path, f"cannot be read ({error.strerror or type(error).__name__}); correct the path")


def said(error: ConfigError) -> str:
    """What is wrong, for a log line."""
    return "; ".join(str(problem) for problem in error.problems)
