"""Fits and comparisons as the lines of docs/families.md: ``python tests/family/family_page.py``."""

from __future__ import annotations

from scalegrid.family.accuracies import published_returns
from scalegrid.family.compare_published import compare_published
from scalegrid.family.fit import FAMILIES, Fit, fit
from scalegrid.family.returns import Interval

QUICK = (
    "EfficientNet",
    "EfficientNet-Lite",
    "EfficientNetV2",
    "TinyNet",
    "MobileNetV2",
    "MobileNetV3",
)
"""Families whose networks are counted without building them."""


def direction_row(found: Fit) -> str:
    """Shares, coefficients and residual of a family."""
    shares = " | ".join(f"{share:.2f}" for share in found.shares)
    coefficients = " | ".join(f"{value:.2f}" for value in found.coefficients)
    return f"| {found.family} | {shares} | {coefficients} | {100 * found.residual:.1f} % |"


def size_row(found: Fit) -> str:
    """The sizes of a family and their φ."""
    sizes = ", ".join(f"{member.name}: {member.phi:.2f}" for member in found.members)
    return f"| {found.family} | {sizes} |"


def release_rows() -> list[str]:
    """B0 … B7 by the formula and as released."""
    rows = []
    for _, row in compare_published().iterrows():
        cells = [row["model"]]
        for which in ("formula", "release"):
            depth, width = (row[f"{which}_{axis}"] for axis in ("depth", "width"))
            cells += [f"{depth:.2f}, {width:.2f}, {row[f'{which}_px']} px"]
            cells += [str(row[f"{which}_layers"]), f"{row[f'{which}_flops'] / 1e9:.2f}"]
        cells += [f"{row['printed_flops']:g}", f"{row['dropout']:g}"]
        cells += [f"{row['printed_top1']:.1f}"]
        cells += [f"{row['phi_multipliers']:.1f}", f"{row['phi_flops']:.1f}"]
        rows.append(f"| {' | '.join(cells)} |")
    return rows


def returns_rows() -> list[str]:
    """What each doubling gives on B0 … B7."""
    rows = []
    for size in published_returns().sizes:
        cells = [size.name, f"{size.phi:.2f}", f"{size.top1.mid:.1f}"]
        cells += [_interval(size.step), _interval(size.slope)]
        rows.append(f"| {' | '.join(cells)} |")
    return rows


def _interval(one: Interval) -> str:
    if one.mid != one.mid:
        return "–"
    low, high = (f"{end:.2f}".replace("-", "−") for end in one[1:])
    return f"{one.mid:.2f} ({low} – {high})"


if __name__ == "__main__":
    fits = [fit(name) for name in FAMILIES]
    print("\n".join(release_rows()))
    print("\n".join(returns_rows()))
    print("\n".join(map(direction_row, fits)))
    print("\n".join(map(size_row, fits)))
    for one in fits:
        print(f'    "{one.family}": Shares({", ".join(f"{s:.4f}" for s in one.shares)}),')
