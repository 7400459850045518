"""The client library's consumer, with one fault of it mended."""

from typing import Any

from kafka import KafkaConsumer


class GroupConsumer(KafkaConsumer):  # type: ignore[misc]  # the library has no types
    """A consumer that finishes every join of its group that it has begun.

    ``poll`` leaves a join under way when its time is over, and goes on with it the next time if ``need_rejoin`` still
    says so. Where only new metadata had asked for the join (the leader's case when a topic or a partition comes), it
    does not, once the join has assigned by that metadata: the answer is never looked at, heartbeats stay off, and the
    member is out of its group without knowing (seen in kafka-python 3.0.12).
    """

    def __init__(self, **config: Any) -> None:
        super().__init__(**config)
        coordinator = self._coordinator
        asked = coordinator.need_rejoin

        def need_rejoin() -> bool:
            return getattr(coordinator, "_join_task", None) is not None or bool(asked())

        coordinator.need_rejoin = need_rejoin
