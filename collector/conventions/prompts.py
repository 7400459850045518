"""The user's question inside a prompt that wraps it in retrieved context.

Apps that retrieve documents send the model one user message made of both. The widespread templates (LangChain's
``RetrievalQA``, LlamaIndex's ``text_qa_template``, and hand-written ones after them) label the two parts: a line that
begins with ``Context``, after it a line that begins with ``Question:`` or ``Query:``.
"""

_CONTEXT_LABELS = ("context:", "context information is below", "context information:")
_QUESTION_LABELS = ("question:", "query:", "user question:", "user query:")
_ANSWER_LABELS = ("answer:", "helpful answer:")


def question(prompt: str) -> str:
    """The question in a labelled prompt; ``prompt`` itself where it is not clearly one.

    The last question label counts: retrieved text may hold one of its own.
    """
    if ":" not in prompt or "context" not in prompt.lower():  # without both there is no label in it
        return prompt
    lines = prompt.splitlines()
    starts = [line.strip().lower() for line in lines]
    context = next((n for n, line in enumerate(starts) if line.startswith(_CONTEXT_LABELS)), None)
    if context is None:
        return prompt
    asked = next((n for n in range(len(lines) - 1, context, -1) if starts[n].startswith(_QUESTION_LABELS)), None)
    if asked is None:
        return prompt
    end = next((n for n in range(asked + 1, len(lines)) if starts[n].startswith(_ANSWER_LABELS)), len(lines))
    first = lines[asked].partition(":")[2]
    return "\n".join([first, *lines[asked + 1 : end]]).strip() or prompt
