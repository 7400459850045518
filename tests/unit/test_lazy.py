"""An attribute that is worked out when it is first asked for, and kept."""

from dataclasses import dataclass, field, replace

from checks.lazy import lazy


@dataclass(frozen=True)
class Sum:
    numbers: tuple[int, ...]
    asked: list[str] = field(default_factory=list, compare=False)

    @lazy
    def total(self) -> int:
        """All of them together."""
        self.asked.append("total")
        return sum(self.numbers)


def test_it_is_worked_out_once():
    found = Sum((1, 2))
    assert (found.total, found.total, found.asked) == (3, 3, ["total"])


def test_it_is_not_worked_out_unless_it_is_asked_for():
    assert Sum((1, 2)).asked == []


def test_what_was_worked_out_is_no_part_of_the_value():
    asked, other = Sum((1, 2)), Sum((1, 2))
    assert asked.total == 3
    assert asked == other
    assert replace(asked, numbers=(5,)).total == 5


def test_on_the_class_it_is_itself_and_documented():
    assert isinstance(Sum.total, lazy)
    assert Sum.total.__doc__ == "All of them together."
