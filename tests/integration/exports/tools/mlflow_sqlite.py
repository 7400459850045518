"""Merges records into datasets of MLflow's, in SQLite, each twice, and runs the evaluator over the first one.

Arguments: the result file, and the folders of two exports. The app is run as ``SIDECHECK_APP`` and as ``app:bad``.
"""

import json
import os
import sys
from pathlib import Path

result, *folders = sys.argv[1:]
sys.path.insert(0, folders[0])
os.environ["MLFLOW_TRACKING_URI"] = f"sqlite:///{result}.db"

import mlflow  # noqa: E402 -- reads the environment
import mlflow_eval  # noqa: E402 -- it is in the folder of the export
from mlflow.genai.datasets import create_dataset  # noqa: E402 -- as above


def merged(folder):
    """The dataset with the records of this folder."""
    lines = (Path(folder) / "mlflow.jsonl").read_text(encoding="utf-8").rstrip("\n").split("\n")
    dataset = create_dataset(name=Path(folder).name)
    for _ in range(2):
        dataset.merge_records([json.loads(line) for line in lines])
    return dataset


def records(dataset):
    """What MLflow holds of it."""
    held = json.loads(dataset.to_df()[["inputs", "expectations", "tags"]].to_json(orient="records"))
    sources = [source.to_dict() if source else None for source in dataset.to_df()["source"]]
    return [{**record, "source": source} for record, source in zip(held, sources, strict=True)]


def verdicts(dataset):
    """Case id -> whether it passed, and why it did not."""
    run = mlflow.genai.evaluate(data=dataset, predict_fn=mlflow_eval.predict, scorers=[mlflow_eval.meets_expectations])
    found = {}
    for trace in mlflow.search_traces(run_id=run.run_id, return_type="list"):
        case_id = json.loads(trace.data.request)["caseId"]
        found[case_id] = [[a.value, a.rationale] for a in trace.info.assessments if a.name == "meets_expectations"]
    return found


mlflow.set_experiment("sidecheck")
datasets = [merged(folder) for folder in folders]
told = {"records": [records(dataset) for dataset in datasets], "good": verdicts(datasets[0])}
os.environ["SIDECHECK_APP"] = "app:bad"
told["bad"] = verdicts(datasets[0])
Path(result).write_text(json.dumps(told), encoding="utf-8")
