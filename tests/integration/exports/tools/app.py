"""The app that is tested: ``good`` meets what every case expects, ``bad`` nothing."""

ANSWERS = {
    "How long can I return an annual plan?": "You have 30 days, see kb-7.",
    "The total?": {"total": 41.50},
    "As JSON?": '```json\n{"total": 1}\n```',
    "Cancel A-1009": ("Done.", [{"name": "cancel_order", "arguments": {"order_id": "A-1009", "reason": "asked"}}]),
}

APPS = ("good", "bad")
"""The functions that are run."""


async def good(case):
    """The right answer; asynchronous, as most apps are."""
    return ANSWERS.get(case["input"], "I do not know.")


def bad(_):
    """A wrong answer, and a forbidden tool."""
    return "60 days.", [{"name": "issue_refund", "arguments": {}}]
