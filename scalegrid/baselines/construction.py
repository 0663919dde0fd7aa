"""What builds a network, as plain data: a call that can be made, or written down as source."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable


@dataclass(frozen=True)
class Call:
    """``function(*arguments, **settings)``; an argument or setting may be a call itself."""

    function: Callable[..., Any]
    arguments: tuple[Any, ...] = ()
    settings: dict[str, Any] = field(default_factory=dict)

    def make(self, **others: Any) -> Any:
        """What the function returns, given ``others`` too."""
        arguments = (_made(value) for value in self.arguments)
        settings = {key: _made(value) for key, value in self.settings.items()}
        return self.function(*arguments, **settings | others)


def _made(value: Any) -> Any:
    return value.make() if isinstance(value, Call) else value


@runtime_checkable
class Constructed(Protocol):
    """A baseline whose networks are each one call, of a constructor of timm or of the user's code.

    The call lacks ``num_classes`` and ``in_chans``.
    """

    def construction(self, depth: float, width: float, resolution: int | None = None) -> Call:
        """The call that builds the network of these multipliers, for images of a side in px."""
