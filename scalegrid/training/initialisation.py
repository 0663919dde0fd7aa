"""Initial weights that a brief training does not have to undo."""

from __future__ import annotations

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm


def zero_initialise(model: nn.Module) -> None:
    """Zero-initialise the last norm of each residual block, and the classifier, of a model."""
    zero_last_norms(model)
    zero_classifier(model)


def zero_last_norms(model: nn.Module) -> int:
    """Let every residual block start as the identity; returns how many blocks.

    The scale of the last batch norm of each block with a skip connection becomes zero (Goyal et
    al., "Accurate, Large Minibatch SGD", 2017, section 5.1). A deeper variant then starts as
    shallow as the baseline. Blocks are those of timm: modules with a true ``has_skip``.
    """
    count = 0
    for block in model.modules():
        norms = [norm for norm in block.modules() if isinstance(norm, _BatchNorm)]
        if getattr(block, "has_skip", False) and norms and norms[-1].affine:
            nn.init.zeros_(norms[-1].weight)
            count += 1
    return count


def zero_classifier(model: nn.Module) -> bool:
    """Let every class start equally likely; returns whether the classifier was found.

    EfficientNets draw the classifier's weights from a range that suits a thousand classes. With
    ten, the initial loss is four times that of chance, and a brief training spends most of its
    updates on reducing it. The classifier is what timm's ``get_classifier`` returns.
    """
    classifier = getattr(model, "get_classifier", lambda: None)()
    if not isinstance(classifier, nn.Linear):
        return False
    nn.init.zeros_(classifier.weight)
    if classifier.bias is not None:
        nn.init.zeros_(classifier.bias)
    return True
