"""A small ResNet for `sweeps/study_resnet.yaml`, in the way of He et al. 2016 for CIFAR-10.

Section 4.2 there: three stages of 16, 32 and 64 channels, 14 layers for two blocks a stage. Here
the first convolution takes every second pixel, for a quarter of the cost, shortcuts between stages
are 1×1 convolutions (their option B), and stages have 1, 2 and 3 blocks, so that layers are added
in small steps.
"""

from __future__ import annotations

from torch import Tensor, nn


def convolution(inputs: int, outputs: int, kernel: int, stride: int) -> nn.Sequential:
    """A convolution with batch normalisation."""
    layer = nn.Conv2d(inputs, outputs, kernel, stride, padding=kernel // 2, bias=False)
    return nn.Sequential(layer, nn.BatchNorm2d(outputs))


class Block(nn.Module):
    """Two 3×3 convolutions around a shortcut: a basic block."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            convolution(inputs, outputs, 3, stride), nn.ReLU(), convolution(outputs, outputs, 3, 1)
        )
        same = stride == 1 and inputs == outputs
        self.shortcut = nn.Identity() if same else convolution(inputs, outputs, 1, stride)

    def forward(self, x: Tensor) -> Tensor:
        """Maps of (N, inputs, H, W) to (N, outputs, H / stride, W / stride)."""
        return nn.functional.relu(self.body(x) + self.shortcut(x))


def resnet14(depth: float, width: float, num_classes: int) -> nn.Module:
    """The network with its blocks a stage, and its channels in steps of two, multiplied."""
    blocks = [round(n * depth) for n in (1, 2, 3)]
    channels = [2 * round(n * width / 2) for n in (16, 32, 64)]
    layers: list[nn.Module] = [convolution(3, channels[0], 3, stride=2), nn.ReLU()]
    inputs = channels[0]
    for stage, (n, outputs) in enumerate(zip(blocks, channels, strict=True)):
        layers.append(Block(inputs, outputs, stride=2 if stage else 1))
        layers += [Block(outputs, outputs, stride=1) for _ in range(n - 1)]
        inputs = outputs
    layers += [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(inputs, num_classes)]
    return nn.Sequential(*layers)


resnet14.resolution = 32  # px a sweep starts from, unless it gives its own
