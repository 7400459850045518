"""Whether bracketed numbers are an array, an index or an interval and no citation, by what stands around them."""

import re

_BEFORE = 40
_WORD = re.compile(r"[A-Za-z_]\w*\Z")
_NAMED = re.compile(
    r"\b(?:arrays?|lists?|ve[ck]tor(?:s|en)?|tuples?|matrix|sequences?|interval{1,2}s?|ranges?|sets?|returns?"
    r"|Listen?|liste|lista)\s?:?\s?\Z",
    re.IGNORECASE,
)
_ASSIGNED = re.compile(r"(?:=|[\"']\s?:)\s?\Z")
_CITING_KEY = re.compile(
    r"[\"'](?:\w{0,20}_)?(?:citations?|cited|sources?|references?|refs?)[\"']\s?:\s?\Z", re.IGNORECASE
)
_CODE_NAMES = frozenset(
    ["arr", "argv", "args", "lst", "idx", "nums", "vec", "buf", "obj", *"bcdefghijklmnopqrstuvwxyz"]
)
_COMPARED = re.compile(r"\s?(?:==|!=|\+=)|\.\w+\(")
_CALL = re.compile(r"[A-Za-z_]\(\Z")
_ZERO = re.compile(r"\[\s?0\s?\]")


def is_array(text: str, start: int, end: int, count: int) -> bool:
    """Whether the numbers in brackets at ``start`` to ``end`` are data or code; ``count`` is how many there are."""
    before, after = text[max(0, start - _BEFORE) : start], text[end : end + 12]
    is_near_all = count > 1 and end - start > len(text) - _BEFORE
    if (is_near_all and text.strip() == text[start:end]) or before.endswith(("!", "\\")):
        return True
    return _is_nested(before, after, count) or _is_data(before, after, count) or _is_index(text[start:end], before)


def _is_nested(before: str, after: str, count: int) -> bool:
    """``[[1, 2], [3, 4]]`` and ``sum([1, 2])``, but not ``[[1]](address)`` or ``([1, 2])``."""
    is_inside = before.endswith("[") or after.startswith("]")
    return (is_inside and count > 1) or bool(_CALL.search(before))


def _is_data(before: str, after: str, count: int) -> bool:
    """``x = [1]``, ``"key": [1]``, ``the list [1, 2]``, but not ``the list [1]`` or ``"citations": [1]``."""
    if _CITING_KEY.search(before):
        return False
    is_named = count > 1 and _NAMED.search(before)
    return bool(is_named or _ASSIGNED.search(before) or _COMPARED.match(after))


def _is_index(bracket: str, before: str) -> bool:
    """``arr[0]``, ``x[1]``, ``row_ids[2]``, but not ``purchase[1]``: a citation may stand close to its word."""
    word = _WORD.search(before)
    if word is None:
        return False
    name = word.group()
    return name in _CODE_NAMES or "_" in name or bool(_ZERO.fullmatch(bracket))
