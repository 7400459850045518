"""The dataset formats by name. A new one is a file beside this one and a line in ``FORMATS``."""

from collections.abc import Mapping

from exporters.dataset.formats import (
    braintrust,
    jsonl,
    langfuse,
    langsmith,
    mlflow,
    openai_evals,
    parquet,
    phoenix,
    ragas,
)
from exporters.dataset.formats.base import DatasetFile, Format

FORMATS: Mapping[str, Format] = {
    format_.name: format_
    for format_ in (
        jsonl.FORMAT,
        langsmith.FORMAT,
        langfuse.FORMAT,
        mlflow.FORMAT,
        ragas.FORMAT,
        phoenix.FORMAT,
        braintrust.FORMAT,
        parquet.FORMAT,
        openai_evals.FORMAT,
    )
}

__all__ = ["FORMATS", "DatasetFile", "Format"]
