"""What the words of the report mean."""

from typing import Any


def terms(metrics: dict[str, Any]) -> list[tuple[str, str]]:
    """The terms of a report with their definitions, in the order of reading.

    Args:
        metrics: of metrics.json, which defines its metrics, rows and intervals itself.
    """
    n_past, n_eval = metrics["n_past"], metrics["n_eval"]
    found = [(metric["title"], metric["definition"]) for metric in metrics["metrics"]]
    found += [
        (
            "Given and predicted frames",
            f"Frames count from 0. The model is given frames 0 to {n_past - 1}; frames {n_past} to {n_eval - 1} it "
            "predicts from its own predictions. Every score is over predicted frames only.",
        ),
        ("Choice of the best sample", metrics["chosen_by"]),
    ]
    rows = [row["name"] for row in metrics["table"]]
    found += [(name[0].upper() + name[1:], metrics["predictors"][name]) for name in rows]
    found += [("95 % interval", metrics["interval"]), ("Score over N", metrics["by_samples_definition"])]
    found += [
        (
            "Posterior",
            "Each frame from the true frame before it and the mean of the approximate posterior, which has seen the "
            "true frame itself: what the model can draw, not what it can foresee. Its first frame is the truth's.",
        )
    ]
    if metrics["protocol"]["published"]:
        found.append(("Published", "As printed in the work named, from its authors' code; not measured here."))
    return found
