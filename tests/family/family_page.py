"""Fits and comparisons as the lines of docs/families.md: ``python tests/family/family_page.py``."""

from __future__ import annotations

from scalegrid.family.compare_published import compare_published
from scalegrid.family.fit import FAMILIES, Fit, fit

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
    return f"| {found.family} | {shares} | {coefficients} | {100 * found.residual:.0f} % |"


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


if __name__ == "__main__":
    fits = [fit(name) for name in FAMILIES]
    print("\n".join(release_rows()))
    print("\n".join(map(direction_row, fits)))
    print("\n".join(map(size_row, fits)))
    for one in fits:
        print(f'    "{one.family}": Shares({", ".join(f"{s:.4f}" for s in one.shares)}),')
