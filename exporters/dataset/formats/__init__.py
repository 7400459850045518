"""The dataset formats by name. A new one is a file beside this one and a line in ``FORMATS``."""

from collections.abc import Mapping

from exporters.dataset.formats import (
    braintrust,
    deepeval,
    inspect,
    jsonl,
    langfuse,
    langsmith,
    mlflow,
    openai_evals,
    parquet,
    phoenix,
    promptfoo,
    pydantic_evals,
    pytest,
    ragas,
)
from exporters.dataset.formats.base import DatasetFile, Format

FORMATS: Mapping[str, Format] = {
    format_.name: format_
    for format_ in (
        jsonl.FORMAT,
        pytest.FORMAT,
        promptfoo.FORMAT,
        deepeval.FORMAT,
        langsmith.FORMAT,
        langfuse.FORMAT,
        inspect.FORMAT,
        mlflow.FORMAT,
        pydantic_evals.FORMAT,
        ragas.FORMAT,
        phoenix.FORMAT,
        braintrust.FORMAT,
        parquet.FORMAT,
        openai_evals.FORMAT,
    )
}

__all__ = ["FORMATS", "DatasetFile", "Format"]
