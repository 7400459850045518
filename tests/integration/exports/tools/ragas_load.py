"""Loads both files of Ragas and runs two of its metrics that ask no model. Arguments: the result file, the folder."""

import asyncio
import json
import sys
from pathlib import Path

from ragas import EvaluationDataset
from ragas.messages import AIMessage, ToolCall
from ragas.metrics import ExactMatch, ToolCallAccuracy

result, folder = sys.argv[1], Path(sys.argv[2])


def loaded(name):
    return list(EvaluationDataset.from_jsonl(folder / name))


async def called(sample):
    """Whether the expected calls, made after those of the conversation, are accurate."""
    made = sum(len(message.tool_calls or ()) for message in sample.user_input if isinstance(message, AIMessage))
    calls = [ToolCall(**call.model_dump()) for call in sample.reference_tool_calls[made:]]
    answered = sample.model_copy(update={"user_input": [*sample.user_input, AIMessage(content="", tool_calls=calls)]})
    return await ToolCallAccuracy().multi_turn_ascore(answered)


async def equal(sample):
    """Whether the reference is accurate."""
    return await ExactMatch().single_turn_ascore(sample.model_copy(update={"response": sample.reference}))


single, multi = loaded("ragas.jsonl"), loaded("ragas-multiturn.jsonl")
told = {
    "single": [sample.to_dict() for sample in single],
    "multi": [sample.to_dict() for sample in multi],
    "exact": [asyncio.run(equal(sample)) for sample in single if sample.reference],
    "calls": [asyncio.run(called(sample)) for sample in multi if sample.reference_tool_calls],
}
Path(result).write_text(json.dumps(told), encoding="utf-8")
