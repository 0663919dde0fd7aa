"""What a search maximises."""

import pytest

from scalegrid.search.objective import Objective, Target


@pytest.mark.parametrize(
    ("text", "kind", "amount"),
    [
        ("400M", "flops", 400e6),
        ("0.4 B flops", "flops", 400e6),
        ("5.3M params", "params", 5.3e6),
        ("20ms", "latency", 0.02),
        ("1.5 s", "latency", 1.5),
    ],
)
def test_a_target_has_a_unit(text: str, kind: str, amount: float) -> None:
    target = Target.read(text)
    assert target.kind == kind
    assert target.amount == pytest.approx(amount)


@pytest.mark.parametrize("text", ["", "much", "0M", "-3M", "400M bananas", "nan", "1e9"])
def test_other_targets_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="must be FLOPs, parameters or a latency"):
        Target.read(text)


def test_the_soft_objective_is_the_papers() -> None:
    """Tan et al. 2019, section 3: twice the latency for 5 % more accuracy, w = −0.07, is even."""
    objective = Objective(Target.read("400M"), -0.07, "soft", (0.5, 2.0))
    assert objective.value(0.5, 400e6) == 0.5
    assert objective.value(0.5 * 1.05, 800e6) == pytest.approx(0.5, rel=2e-3)
    assert [objective.allows(cost * 1e6) for cost in (199, 200, 800, 801)] == [0, 1, 1, 0]


def test_under_a_hard_limit_accuracy_alone_counts() -> None:
    objective = Objective(Target.read("400M"), -0.07, "hard", (0.5, 2.0))
    assert objective.value(0.5, 300e6) == 0.5
    assert [objective.allows(cost * 1e6) for cost in (199, 200, 400, 401)] == [0, 1, 1, 0]
