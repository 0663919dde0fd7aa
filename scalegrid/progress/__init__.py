"""What a person sees of a running sweep, and how long it takes.

A run talks to one `Progress`, which keeps ``status.json`` for other processes up to date and shows
a `Display`. Its estimate of time starts from the speed that `rate` measures and goes by the trials'
own epochs from then on.
"""

from scalegrid.progress.display import Display, Silence, display_for
from scalegrid.progress.progress import Progress
from scalegrid.progress.status import Status, read_status

__all__ = ["Display", "Progress", "Silence", "Status", "display_for", "read_status"]
