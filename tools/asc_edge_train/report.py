"""Reports: one JSON file with every figure, the Markdown page and the confusion matrix drawn from it."""

from __future__ import annotations

import io
import json
from collections import Counter
from pathlib import Path
from typing import Any

from asc_edge.atomic import write_atomically
from asc_edge.errors import UsageError
from asc_edge_train.bundling import attribution
from asc_edge_train.clips import licence_family
from asc_edge_train.fusing import FusedRun
from asc_edge_train.run import Run
from asc_edge_train.storage import write_json

__all__ = ["draw_report", "load_report", "write_report"]


def write_report(run: Run, fused: FusedRun, bundle: Path) -> dict[str, Any]:
    """Write ``report.json`` into the run's folder, and everything that is drawn from it."""
    from asc_edge.bundle import Bundle

    recipe = run.recipe
    opened = Bundle.open(bundle)
    report = {
        "recipe": recipe.name,
        "version": recipe.version,
        "summary": recipe.summary,
        "labels": list(recipe.labels),
        "labels_not_covered": list(recipe.labels_not_covered),
        "metric": recipe.metric,
        "protocol": recipe.protocol,
        "caveats": list(recipe.caveats),
        "seed": run.seed,
        "smoke": run.smoke,
        "command": run.command,
        "data": {
            "clips": len(run.clips),
            "groups": len({clip.group for clip in run.clips}),
            "folds": dict(sorted(Counter(str(clip.fold) for clip in run.clips).items())),
            "by_label": dict(sorted(Counter(clip.label for clip in run.clips).items())),
            "by_corpus": dict(sorted(Counter(clip.corpus for clip in run.clips).items())),
            "by_licence": dict(sorted(Counter(licence_family(clip.licence) for clip in run.clips).items())),
        },
        **fused.figures,
        "bundle": {
            "bytes": bundle.stat().st_size,
            "sha256": opened.sha256,
            "networks": opened.manifest.raw["training"]["networks"],
        },
    }
    write_json(run.out / "report.json", report)
    write_atomically(run.out / "attribution.md", attribution(run.clips, recipe.name).encode())
    return report


def load_report(run_dir: Path) -> dict[str, Any]:
    """The report of a finished run.

    Raises
    ------
    UsageError
        When the folder holds none.
    """
    path = run_dir / "report.json"
    try:
        report = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UsageError(f"{path}: no such report; finish the run with asc-edge-train run first") from None
    except (OSError, ValueError) as error:
        raise UsageError(f"{path}: not a readable report: {error}") from None
    if not isinstance(report, dict) or "fusion" not in report:
        raise UsageError(f"{path}: not a report of asc-edge-train run")
    return report


def draw_report(report: dict[str, Any], out: Path) -> list[Path]:
    """Write ``<recipe>.json``, ``.md`` and ``-confusion.png``; returns their paths."""
    name = report["recipe"]
    paths = [out / f"{name}.json", out / f"{name}.md", out / f"{name}-confusion.png"]
    write_json(paths[0], report)
    write_atomically(paths[1], _page(report, paths[2].name).encode())
    write_atomically(paths[2], _confusion_png(report))
    return paths


def _page(report: dict[str, Any], picture: str) -> str:
    fusion = report["fusion"]
    lines = [f"# Results: {report['recipe']} {report['version']}", "", f"{report['summary']}.", ""]
    if report["smoke"]:
        lines += ["**A smoke run: it shows that every stage works, and nothing else.**", ""]
    lines += [f"Protocol: {report['protocol']}.", "", f"    {report['command']}", ""]
    lines += [f"- {caveat}" for caveat in report["caveats"]]
    lines += ["", "## Members and fusion", "", "| system | macro-F1 % | accuracy % | by fold: macro-F1 % |"]
    lines += ["|---|---|---|---|"]
    systems = {**report["members"], "**late fusion**": fusion}
    lines += [f"| {name} | {_scores(row)} |" for name, row in systems.items()]
    lines += [
        "",
        f"C of the fusion that ships: {fusion['c']:g}; inside the folds: {_join(fusion['c_by_fold'])}.",
    ]
    lines += [f"Log loss of the calibrated posteriors: {fusion['log_loss']:.3f}.", ""]
    lines += ["## Late fusion by label", "", "| label | precision % | recall % | F1 % | clips |"]
    lines += ["|---|---|---|---|---|"]
    for label, row in fusion["per_class"].items():
        cells = " | ".join(f"{100 * row[key]:.1f}" for key in ("precision", "recall", "f1"))
        lines.append(f"| {label} | {cells} | {row['clips']} |")
    if report["labels_not_covered"]:
        lines += ["", f"Not covered: {', '.join(report['labels_not_covered'])}."]
    lines += ["", f"![Confusion matrix]({picture})", "", "## Data", ""]
    data = report["data"]
    lines += [f"{data['clips']} clips from {data['groups']} recordings; folds: {_join(data['folds'])}.", ""]
    lines += [f"- by corpus: {_join(data['by_corpus'])}", f"- by licence: {_join(data['by_licence'])}", ""]
    lines += ["## Bundle", "", "| network | parameters | MMAC per window |", "|---|---|---|"]
    for name, cost in report["bundle"]["networks"].items():
        lines.append(f"| {name} | {cost['parameters']} | {cost['multiply_accumulates'] / 1e6:.1f} |")
    lines += ["", f"{report['bundle']['bytes']} bytes, SHA-256 `{report['bundle']['sha256']}`.", ""]
    return "\n".join(lines)


def _scores(row: dict[str, Any]) -> str:
    by_fold = ", ".join(f"{100 * fold['macro_f1']:.1f}" for fold in row["per_fold"].values())
    return f"{100 * row['macro_f1']:.1f} | {100 * row['accuracy']:.1f} | {by_fold}"


def _join(values: dict[str, Any]) -> str:
    return ", ".join(f"{name} {value:g}" for name, value in values.items())


def _confusion_png(report: dict[str, Any]) -> bytes:
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    labels, table = report["labels"], report["fusion"]["confusion"]
    size = 1.6 + 0.62 * len(labels)
    figure, axes = plt.subplots(figsize=(size + 0.8, size), layout="constrained")
    shares = [[cell / max(1, sum(row)) for cell in row] for row in table]
    axes.imshow(shares, cmap="Blues", vmin=0.0, vmax=1.0)
    for y, row in enumerate(table):
        for x, cell in enumerate(row):
            colour = "white" if shares[y][x] > 0.5 else "black"
            axes.text(x, y, str(cell), ha="center", va="center", fontsize=8, color=colour)
    axes.set_xticks(range(len(labels)), labels, rotation=45, ha="right")
    axes.set_yticks(range(len(labels)), labels)
    axes.set_xlabel("predicted")
    axes.set_ylabel("true")
    axes.set_title(f"{report['recipe']}: clips, late fusion, out of fold", fontsize=10)
    buffer = io.BytesIO()
    # No software version in the file: the same figures draw the same bytes.
    figure.savefig(buffer, format="png", dpi=110, metadata={"Software": None})
    plt.close(figure)
    return buffer.getvalue()
