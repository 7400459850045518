"""The fenced blocks of the documentation: page and section of each, its language, the commands of a console."""

import re
import shlex
import textwrap
from dataclasses import dataclass

from doctables import ROOT

_FENCE = re.compile(r"^(?P<indent> *)```(?P<language>\w*)\n(?P<text>.*?)^(?P=indent)```$", re.DOTALL | re.MULTILINE)
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
NOT_OURS = {".venv", "node_modules", ".git"}


@dataclass(frozen=True)
class Block:
    """A fenced block; ``line`` is that of its first fence, ``section`` the heading above it."""

    page: str
    section: str
    line: int
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"

    @property
    def commands(self) -> list[str]:
        """The commands of a console: a line each, or as many as its quotes and backslashes take."""
        found, part = [], ""
        for line in self.text.splitlines():
            part += line
            if line.endswith("\\") or not _is_whole(part):
                part += "\n"
                continue
            found.append(part)
            part = ""
        assert not part, f"{self}: a quote is not closed: {part}"
        return found


def pages() -> list[str]:
    """Every page of the documentation, by its path in the repository."""
    paths = (path.relative_to(ROOT) for path in ROOT.rglob("*.md"))
    return sorted(str(path) for path in paths if not NOT_OURS & {*path.parts})


def blocks(page: str, language: str | None = None, section: str | None = None) -> list[Block]:
    """The blocks of a page in their order; all, or those of a language and of a section."""
    text = (ROOT / page).read_text(encoding="utf-8")
    found = [_block(page, text, match) for match in _FENCE.finditer(text)]
    return [b for b in found if language in (None, b.language) and section in (None, b.section)]


def _block(page: str, text: str, match: re.Match[str]) -> Block:
    above = _HEADING.findall(_FENCE.sub("", text[: match.start()]))
    line = text.count("\n", 0, match.start()) + 1
    return Block(page, above[-1] if above else "", line, match["language"], textwrap.dedent(match["text"]))


def _is_whole(command: str) -> bool:
    try:
        shlex.split(command, comments=True)
    except ValueError:
        return False
    return True
