"""The directions of published families on the triangle, kept so that figures need build nothing."""

from __future__ import annotations

from scalegrid.coefficients import Shares

# `python tests/family/family_page.py` prints these lines.
DIRECTIONS = {
    "EfficientNet": Shares(0.2841, 0.2778, 0.4381),
    "EfficientNet-Lite": Shares(0.3334, 0.2985, 0.3681),
    "EfficientNetV2": Shares(0.3976, 0.3244, 0.2780),
    "TinyNet": Shares(0.2155, 0.3195, 0.4650),
    "MobileNetV2": Shares(0.0, 1.0, 0.0),
    "MobileNetV3": Shares(0.0, 1.0, 0.0),
    "ResNet": Shares(1.0, 0.0, 0.0),
    "ResNet-RS": Shares(0.5982, 0.0, 0.4018),
    "NFNet": Shares(0.5347, 0.0, 0.4653),
    "RegNetX": Shares(0.0986, 0.9014, 0.0),
    "RegNetY": Shares(0.0734, 0.9266, 0.0),
    "ConvNeXt": Shares(0.4290, 0.5710, 0.0),
}
"""`scalegrid.family.fit.fit(NAME).shares`, to four digits or nearly; they add up to 1."""
