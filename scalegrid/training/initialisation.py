"""Where a brief training starts: from a network that has nothing to unlearn."""

from __future__ import annotations

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm


def calm(model: nn.Module) -> None:
    """Change the initial weights of a built network so that a few hundred updates suffice."""
    silence_residuals(model)
    silence_classifier(model)


def silence_residuals(model: nn.Module) -> int:
    """Let every residual block start as the identity; returns how many blocks that were.

    The scale of the last batch norm of each block with a skip connection is set to zero (Goyal et
    al., "Accurate, Large Minibatch SGD", 2017, section 5.1). A deeper variant then starts as
    shallow as the baseline does. Blocks are timm's: a module that says ``has_skip``.
    """
    count = 0
    for block in model.modules():
        norms = [norm for norm in block.modules() if isinstance(norm, _BatchNorm)]
        if getattr(block, "has_skip", False) and norms and norms[-1].affine:
            nn.init.zeros_(norms[-1].weight)
            count += 1
    return count


def silence_classifier(model: nn.Module) -> bool:
    """Let every class start equally likely; returns whether the classifier was found.

    EfficientNets draw the classifier's weights from a range that only suits about a thousand
    classes: with ten, the initial loss is four times that of chance, and most of a brief training
    goes into undoing it. The classifier is what timm's ``get_classifier`` gives.
    """
    classifier = getattr(model, "get_classifier", lambda: None)()
    if not isinstance(classifier, nn.Linear):
        return False
    nn.init.zeros_(classifier.weight)
    if classifier.bias is not None:
        nn.init.zeros_(classifier.bias)
    return True
