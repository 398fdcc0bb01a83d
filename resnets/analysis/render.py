"""An account as a table, csv or JSON; units stand in the names and headings."""

import csv
import dataclasses
import io
import json
from collections.abc import Sequence
from typing import Any

from resnets.analysis.account import Account
from resnets.analysis.costs import Cost, total
from resnets.analysis.layers import Layer, fold
from resnets.columns import aligned

Rows = list[tuple[str, ...]]


def costs(cost: Cost) -> dict[str, Any]:
    """The numbers of a record, by name."""
    return {
        "macs": cost.macs,
        "flops": cost.flops,
        "flops_valid": cost.flops_valid,
        "transcendentals": cost.transcendentals,
        "weight_bytes": cost.weight_bytes,
        "input_bytes": cost.input_bytes,
        "output_bytes": cost.output_bytes,
        "streamed_bytes": cost.streamed_bytes,
    }


def as_dict(account: Account, model: str, dtype: str, depth: int = 0) -> dict[str, Any]:
    """The whole account as JSON-able data, the same for the same program.

    Args:
      account: to show.
      model: how the user named the network.
      dtype: that it computes in.
      depth: parts of names that rows are folded to; 0 for all.
    """
    whole = account.total
    totals = {
        "parameters": account.parameters,
        **costs(whole),
        "unfused_bytes": whole.bytes,
        "compulsory_bytes": account.compulsory_bytes,
        "coverage_flops": account.coverage_flops,
        "coverage_bytes": account.coverage_bytes,
        "unnamed_flops": account.unnamed_flops,
    }
    if account.activations:
        totals |= {
            "activation_bytes": account.activations.kept_bytes,
            "activation_bytes_rematerialised": account.activations.rematerialised_bytes,
        }
    return {
        "model": model,
        "phase": account.phase,
        "batch_size": account.batch_size,
        "image_size": list(account.image_shape),
        "dtype": dtype,
        "platform": account.platform,
        "totals": totals,
        "layers": [_row(layer) for layer in fold(account.layers, depth)],
        "warnings": list(account.warnings),
    }


def _row(layer: Layer) -> dict[str, Any]:
    identity = {"name": layer.name, "kind": layer.kind, "phase": layer.phase}
    return {
        **identity,
        "parameters": layer.parameters,
        **costs(layer.cost),
        "intensity_flops_per_byte": round(layer.cost.intensity, 4),
    }


def as_json(content: Any) -> str:
    """Two spaces deep, in a fixed order."""
    return json.dumps(content, indent=2)


def as_csv(contents: Sequence[dict[str, Any]]) -> str:
    """A row a layer, with the network's name before it."""
    return rows_as_csv(
        [{"model": content["model"], **row} for content in contents for row in content["layers"]]
    )


def rows_as_csv(rows: Sequence[dict[str, Any]]) -> str:
    """Rows under the names of all their fields; what a row lacks is 0."""
    text = io.StringIO()
    names = list(dict.fromkeys(name for row in rows for name in row))
    writer = csv.DictWriter(text, fieldnames=names, restval=0, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().rstrip("\n")


_HEADINGS = (
    "layer",
    "kind",
    "parameters",
    "MMACs",
    "FLOPs, %",
    "MFLOPs",
    "weights, kB",
    "inputs, kB",
    "outputs, kB",
    "FLOPs/byte",
)


def as_table(account: Account, model: str, dtype: str, depth: int = 0) -> str:
    """The rows of each phase under a heading, their sums, and the totals in words."""
    layers = fold(account.layers, depth)
    phases = tuple(dict.fromkeys(layer.phase for layer in layers))
    rows: Rows = [_HEADINGS]
    for phase in phases:
        chosen = [layer for layer in layers if layer.phase == phase]
        if len(phases) > 1:
            rows.append((f"[{phase}]", *("",) * (len(_HEADINGS) - 1)))
        rows += [_cells(layer, account.total) for layer in chosen]
        rows.append(_cells(_sum(chosen, phase if len(phases) > 1 else "total"), account.total))
    if len(phases) > 1:
        rows.append(_cells(_sum(layers, "total"), account.total))
    heading = title(account, model, dtype)
    return "\n".join([heading, "", aligned(rows, range(2, len(rows[0]))), "", *_words(account)])


def title(account: Account, model: str, dtype: str) -> str:
    """What a table is of."""
    size = "x".join(map(str, account.image_shape))
    return (
        f"{model}, {account.phase}, batch {account.batch_size}, images {size}, {dtype}, "
        f"program for {account.platform}"
    )


def _sum(layers: Sequence[Layer], name: str) -> Layer:
    parameters = sum(layer.parameters for layer in layers)
    return Layer(name, "", "", parameters, True, total([layer.cost for layer in layers]))


def _cells(layer: Layer, whole: Cost) -> tuple[str, ...]:
    cost = layer.cost
    return (
        layer.name,
        layer.kind,
        f"{layer.parameters:,}" if layer.parameters else "",
        f"{cost.macs / 1e6:,.2f}" if cost.macs else "",
        f"{100 * cost.flops / whole.flops:.1f}" if whole.flops else "",
        f"{cost.flops / 1e6:,.2f}",
        f"{cost.weight_bytes / 1e3:,.1f}" if cost.weight_bytes else "",
        f"{cost.input_bytes / 1e3:,.1f}",
        f"{cost.output_bytes / 1e3:,.1f}",
        f"{cost.intensity:.2f}",
    )


def _words(account: Account) -> list[str]:
    whole = account.total
    lines = [
        f"{account.parameters:,} parameters, {whole.macs / 1e9:.3f} GMACs, "
        f"{whole.flops / 1e9:.3f} GFLOPs ({whole.flops_valid / 1e9:.3f} without padded taps), "
        f"{whole.transcendentals / 1e6:.2f} M transcendentals",
        f"bytes: compulsory {account.compulsory_bytes / 1e6:,.1f} MB (weights, inputs and outputs "
        f"once), streamed {whole.streamed_bytes / 1e6:,.1f} MB (operands and results of each "
        f"convolution and product), unfused {whole.bytes / 1e6:,.1f} MB (of every operation)",
    ]
    if account.activations:
        kept, again = dataclasses.astuple(account.activations)
        lines.append(
            f"activations kept for the backward pass: {kept / 1e6:,.1f} MB; "
            f"{again / 1e6:,.1f} MB if every block computed its inside again"
        )
    lines.append(
        f"covered by rules: {100 * account.coverage_flops:.2f} % of FLOPs, "
        f"{100 * account.coverage_bytes:.2f} % of bytes; "
        f"{100 * account.unnamed_flops:.2f} % of FLOPs outside named layers"
    )
    return [*lines, *(f"warning: {warning}" for warning in account.warnings)]


_COMPARED = ("network", "image", "parameters", "GMACs", "GFLOPs", "compulsory, MB", "streamed, MB")


def comparison(accounts: Sequence[tuple[str, Account]]) -> str:
    """Several networks side by side, a row each."""
    rows: Rows = [(*_COMPARED, "unfused, MB", "FLOPs/byte")]
    for name, account in accounts:
        whole = account.total
        rows.append(
            (
                name,
                "x".join(map(str, account.image_shape)),
                f"{account.parameters:,}",
                f"{whole.macs / 1e9:.3f}",
                f"{whole.flops / 1e9:.3f}",
                f"{account.compulsory_bytes / 1e6:,.1f}",
                f"{whole.streamed_bytes / 1e6:,.1f}",
                f"{whole.bytes / 1e6:,.1f}",
                f"{whole.intensity:.2f}",
            )
        )
    return aligned(rows, range(2, len(rows[0])))
