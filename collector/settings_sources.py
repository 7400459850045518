"""Where configuration is written: one YAML file, and environment variables over it.

Reads text into a plain tree and remembers where each value stood. What a value means is not known here.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path as FilePath
from typing import Any

import yaml

from collector.settings_errors import ConfigError, Path, Problem, unknown_key

PREFIX = "SIDECHECK_"
CONFIG_VARIABLE = PREFIX + "CONFIG"
"""Names the file itself, where a command is given none: in a container the health check then reads what serve reads."""
_NOT_OPTIONS = (PREFIX + "REQUIRE", PREFIX + "TEST_")
"""Variables of the test run, which share the prefix and are no options."""
_HOST_OF_A_SERVICE = "_SERVICE_HOST"
_OF_A_SERVICE = re.compile(r"_(SERVICE_(HOST|PORT(_[A-Z0-9_]+)?)|PORT(_[0-9]+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?)")
"""How Kubernetes tells the pods of a namespace of a Service, which may be called ``sidecheck``: by these ends."""


@dataclass(slots=True)
class Tree:
    """A configuration as it was written: ``data``, and the place of every key in ``places`` (``()`` is the file)."""

    data: dict[str, Any] = field(default_factory=dict)
    places: dict[Path, str] = field(default_factory=dict)


def read_file(path: FilePath) -> Tree:
    """Read a YAML file.

    Raises:
        ConfigError: if it can't be read, is no YAML, holds something other than keys, or holds a key twice.
    """
    try:
        return _parse(path.read_bytes(), str(path))
    except OSError as problem:
        text = f"the file cannot be read: {problem.strerror or type(problem).__name__}"
        raise ConfigError(Problem("", text, str(path))) from problem


def _parse(text: bytes, name: str) -> Tree:
    try:
        loader = yaml.SafeLoader(text)
        node = loader.get_single_node()
        places = _places(node, name)  # before merge keys (`<<`) are resolved into the nodes
        data = None if node is None else loader.construct_document(node)
    except yaml.MarkedYAMLError as problem:
        line = f"{name}, line {problem.problem_mark.line + 1}" if problem.problem_mark else name
        raise ConfigError(
            Problem("", f"the file is no valid YAML: {problem.problem or problem.context}", line)
        ) from problem
    except (yaml.YAMLError, ValueError, RecursionError) as problem:  # not UTF-8; an impossible date; nested too deep
        raise ConfigError(Problem("", f"the file is no valid YAML: {_first_line(problem)}", name)) from problem
    if data is None:
        return Tree(places=places)
    if not isinstance(data, dict):
        raise ConfigError(Problem("", "the file must hold keys such as `data_dir: ./data`, one a line", name))
    return Tree(data, places)


def _first_line(problem: Exception) -> str:
    return "nested too deep" if isinstance(problem, RecursionError) else str(problem).partition("\n")[0]


def _places(root: yaml.Node | None, name: str) -> dict[Path, str]:
    """The line of every key. Walks with a stack: an alias may point back into its own parent."""
    places: dict[Path, str] = {(): name}
    open_nodes: list[tuple[Path, yaml.Node | None]] = [((), root)]
    walked: set[int] = set()
    while open_nodes:
        parent, mapping = open_nodes.pop()
        if not isinstance(mapping, yaml.MappingNode) or id(mapping) in walked:
            continue
        walked.add(id(mapping))
        for key, value in mapping.value:
            path = (*parent, str(key.value))
            line = f"{name}, line {key.start_mark.line + 1}"
            if path in places:
                raise ConfigError(Problem(".".join(path), "the key is there twice; keep one", line))
            places[path] = line
            open_nodes.append((path, value))
    return places


def overlay_environment(
    tree: Tree, env: Mapping[str, str], keys: Iterable[Path], open_keys: Iterable[Path]
) -> list[Problem]:
    """Put the ``SIDECHECK_`` variables over ``tree``. An empty variable counts as not set.

    ``keys`` are all keys that exist, sections included; below ``open_keys`` any key may be. Sections, open keys and
    what is below them are read as YAML, every other value is left as text. Returns what is wrong with them: a name that
    is no key, a value that is no YAML.
    """
    known = set(keys)
    opened = tuple(open_keys)
    sections = {key[:n] for key in known for n in range(1, len(key))}
    problems: list[Problem] = []
    for name, text in sorted(_variables(env), key=lambda pair: (pair[0].count("__"), pair[0])):
        path = tuple(name.removeprefix(PREFIX).lower().split("__"))
        place = f"environment variable {name}"
        is_open = any(path[: len(key)] == key for key in opened) and all(path)
        if not is_open and path not in known:
            problems.append(Problem(".".join(path), unknown_key(path, known), place))
            continue
        try:
            value = yaml.safe_load(text) if is_open or path in sections else text
        except (yaml.YAMLError, ValueError, RecursionError):
            problems.append(Problem(".".join(path), "the value is no valid YAML", place))
            continue
        _put(tree.data, path, value)
        tree.places[path] = place
    return problems


def _variables(env: Mapping[str, str]) -> Iterable[tuple[str, str]]:
    services = [name.removesuffix(_HOST_OF_A_SERVICE) for name in env if name.endswith(_HOST_OF_A_SERVICE)]
    return (
        (name, text)
        for name, text in env.items()
        if name.startswith(PREFIX)
        and text
        and name != CONFIG_VARIABLE
        and not name.startswith(_NOT_OPTIONS)
        and not any(_OF_A_SERVICE.fullmatch(name.removeprefix(service)) for service in services)
    )


def _put(data: dict[str, Any], path: Path, value: Any) -> None:
    """Set one key. A section that the file gives as something else stays, so that its own error is reported."""
    for part in path[:-1]:
        if data.get(part) is None:
            data[part] = {}
        data = data[part]
        if not isinstance(data, dict):
            return
    data[path[-1]] = value
