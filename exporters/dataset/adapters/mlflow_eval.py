"""Runs your app on every record of ``mlflow.jsonl`` and judges the answers; MLflow keeps the run.

    SIDECHECK_APP=module:function MLFLOW_TRACKING_URI=sqlite:///mlflow.db python mlflow_eval.py

The experiment is the one that ``MLFLOW_EXPERIMENT_NAME`` names.
"""

import mlflow
from judge import answer, failures, rows
from mlflow.entities import Feedback
from mlflow.genai.scorers import scorer


def predict(question, context, caseId):  # noqa: ARG001, N803 -- MLflow passes the inputs by their names
    """The app's answer."""
    return answer({"question": question, "context": context})


@scorer
def meets_expectations(inputs, outputs, expectations):
    """Whether the answer meets what the case expects, and what it fails."""
    demands = {**expectations, "expectedToolCalls": expectations.get("expected_tool_calls")}
    failed = failures(inputs, demands, outputs)
    return Feedback(value=not failed, rationale="; ".join(failed))


if __name__ == "__main__":
    mlflow.genai.evaluate(data=rows("mlflow.jsonl"), predict_fn=predict, scorers=[meets_expectations])
