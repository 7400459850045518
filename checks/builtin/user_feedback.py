"""Judges by what the users said of the answer. Each user's latest word counts; a comment alone is no judgement."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from checks.check import CheckInfo, OptionError
from checks.finding import Evidence, Finding
from checks.interaction import Interaction
from checks.trace import Feedback

SHORTEST = 40
LONGEST = 4000
"""Characters of an answer that must not come again."""
COMMENT = 1000
COMMENTS = 5
"""Characters of a comment, and comments, that make the rubric."""


@dataclass(frozen=True, slots=True)
class UserFeedback:
    """The users were content with the answer.

    Attributes:
        min_score: The lowest score, from 0 to 1, that is content; 0 lets every score pass. A thumb counts by itself.
    """

    min_score: float = 0.5

    info: ClassVar[CheckInfo] = CheckInfo(
        name="user_feedback",
        version="1",
        summary="No user gave a thumbs-down or a low score.",
        codes={
            "thumbs_down": "A user's latest feedback is a thumbs-down.",
            "low_score": "A user's latest score lies below `min_score`.",
        },
    )

    def __post_init__(self) -> None:
        if not 0 <= self.min_score <= 1:  # false for NaN too
            raise OptionError("min_score", f"{self.min_score!r} is no score: scores run from 0 (bad) to 1 (good)")

    def applies_to(self, interaction: Interaction) -> bool:
        """Whether a user gave a thumb or a score."""
        return any(map(_says_something, interaction.feedback))

    def inspect(self, interaction: Interaction) -> Iterator[Finding]:
        """Yield one finding for each user who is not content."""
        for feedback in _latest_by_user(interaction):
            evidence = (Evidence(span_id=feedback.span_id),) if feedback.span_id else ()
            if feedback.thumbs_up is False:
                yield Finding("thumbs_down", "a user gave a thumbs-down", evidence=evidence)
            elif feedback.score is not None and self._is_bad(feedback):
                message = f"a user gave a score of {feedback.score:.4g}, the lowest content one is {self.min_score:.4g}"
                yield Finding("low_score", message, evidence=evidence)

    def expects(self, interaction: Interaction, findings: tuple[Finding, ...]) -> Mapping[str, Any]:
        """The answer that a user rejected must not come again word for word; what the user said of it is the rubric.

        An answer of few words may be part of a good one, and one of very many is hardly given twice: neither is named.
        """
        if not findings:
            return {}
        answer = (interaction.final_output or "").strip()
        rejected = [answer] if SHORTEST <= len(answer) <= LONGEST else []
        comments = [said.comment for said in _latest_by_user(interaction) if self._is_bad(said) and said.comment]
        rubric = "\n".join(f"A user was not content: {comment.strip()[:COMMENT]}" for comment in comments[:COMMENTS])
        return {"mustNotMention": rejected, "rubric": rubric or None}

    def _is_bad(self, feedback: Feedback) -> bool:
        is_low = feedback.thumbs_up is None and feedback.score is not None and feedback.score < self.min_score
        return feedback.thumbs_up is False or is_low


def _says_something(feedback: Feedback) -> bool:
    """Whether there is a thumb or a score. A score off the scale (or NaN) says nothing: its scale is unknown."""
    return feedback.thumbs_up is not None or (feedback.score is not None and 0 <= feedback.score <= 1)


def _latest_by_user(interaction: Interaction) -> tuple[Feedback, ...]:
    """The last thumb or score of each user by time, so that a flipped thumb replaces; the unnamed count as one user."""
    latest: dict[str | None, Feedback] = {}
    for feedback in sorted(interaction.feedback, key=lambda f: f.time_ns):
        if _says_something(feedback):
            latest[feedback.user_id] = feedback
    return tuple(latest.values())
