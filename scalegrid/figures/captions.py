"""Sentences that the captions of several figures share."""

from __future__ import annotations

from collections.abc import Sequence

from scalegrid.analysis import amount
from scalegrid.analysis.matched_cost import another_cost
from scalegrid.coefficients import PAPER, paper
from scalegrid.figures.means import coefficients_text
from scalegrid.figures.rows import Row, other_cost
from scalegrid.figures.subject import Subject
from scalegrid.util.text import plural

NO_EPOCHS = "no training that was made elsewhere has epochs, so there is no curve."


def describe_rows(subject: Subject, rows: Sequence[Row]) -> list[str]:
    """What labels, thick rows and rows without a label are."""
    found = subject.found
    held = f"{plural(len(found.tie_set), 'candidate')} of {len(found.ranking)}"
    cells = (
        "α, β, γ, pixels and layers"
        if any(len(r.cells) > 5 for r in rows)
        else "α, β, γ and pixels"
    )
    sentences = [
        f"Each row is a network: {cells}. Single axes and the paper's are named.",
        f"Thick and in full ink: not ruled out ({held} hold 95 % of the probability of being the "
        "best).",
    ]
    if any(row.role == "paper" for row in rows):
        sentences.append(describe_paper(subject))
    thin = sum(not row.cells for row in rows)
    if thin:
        sentences.append(f"{plural(thin, 'candidate')} in thin rows have no label.")
    other = another_cost(subject.match)
    hidden = set(other_cost(subject)) - {row.variant for row in rows}
    if hidden:
        sentences.append(f"Left out: {plural(len(hidden), 'network')} of {other}.")
    return sentences


def describe_paper(subject: Subject) -> str:
    """What the network called the paper's is."""
    label, papers = subject.label("paper"), coefficients_text(PAPER._asdict())
    if label.startswith("≈"):
        aimed = paper(float(subject.spec.get("flops_factor", 2.0)))
        triple = coefficients_text(aimed._asdict())
        said = f"the network nearest {triple}"
    else:
        rows = subject.variants[subject.variants["role"] == "paper"]
        said = triple = coefficients_text(rows.iloc[0])
    power = "" if triple == papers else f", a power of the paper's {papers}"
    return f"{label}: {said}{power}."


def seeds_text(subject: Subject) -> str:
    """How many seeds the candidates have: ``one seed each``, ``2 to 8 seeds each``."""
    counts = [one.trials for one in subject.found.ranking]
    least, most = min(counts), max(counts)
    if most == 1:
        return "one seed each"
    return f"{most} seeds each" if least == most else f"{least} to {most} seeds each"


def describe_rung(subject: Subject) -> list[str]:
    """At which rung candidates are compared, if that is not the first."""
    found = subject.found
    if found.rung == 1:
        return []
    without = len(found.ranking) - len(subject.trained)
    judged = f", of which {plural(without, 'candidate')} had none" if without else ""
    return [f"Trainings of {found.rung} times the brief budget{judged}; those of all rungs tell."]


def describe_noise(subject: Subject) -> list[str]:
    """The noise of a trial, or that it is a guess."""
    found = subject.found
    rung = describe_rung(subject)
    if not found.repeats:
        return [*rung, "With one seed each, what is ruled out rests on a prior guess of the noise."]
    return [
        *rung,
        f"One trial has a standard deviation of {amount(found, found.sigma)} between seeds "
        f"({found.repeats} degrees of freedom).",
    ]


def describe_left_out(subject: Subject) -> list[str]:
    """The trials and variants that have no part in a figure of candidates."""
    failed = int((subject.trials["status"] == "failed").sum())
    finished = subject.trials["status"] == "finished"
    drawn = {*subject.estimates.trials["variant"], *subject.estimates.variants}
    tried = drawn.union(subject.trials.loc[finished, "variant"])
    untried = sum(v not in tried for v in subject.variants["variant"])
    brief = len(tried.intersection(subject.variants["variant"]) - drawn)
    left_out = [
        plural(number, thing)
        for number, thing in (
            (failed, "failed trial"),
            (untried, "untried variant"),
            (brief, "briefly trained variant"),
            (subject.earlier, "earlier variant"),
        )
        if number
    ]
    return [f"Left out: {', '.join(left_out)}."] if left_out else []


def more_points(subject: Subject) -> str:
    """How lines of depth, width and resolution get more points, as the end of a sentence."""
    factors = "1,1.5,2,3" if subject.spec.get("flops_factor", 2.0) > 1 else "0.25,0.5,0.75,1"
    return subject.adding(f"--curves {factors}")
