"""Loads ``cases.jsonl`` and ``cases.parquet`` as Hugging Face datasets. Arguments: the result file, the folder."""

import json
import sys
from pathlib import Path

from datasets import load_dataset

result, folder = sys.argv[1], Path(sys.argv[2])


def loaded(kind, name):
    return load_dataset(kind, data_files=str(folder / name), split="train").to_list()


told = {"jsonl": loaded("json", "cases.jsonl"), "parquet": loaded("parquet", "cases.parquet")}
Path(result).write_text(json.dumps(told, default=repr), encoding="utf-8")
