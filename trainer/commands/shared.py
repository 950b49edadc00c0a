"""What several commands say."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from annotator.cli import output
from trainer.samples import Samples, person_of


@contextmanager
def bars() -> Iterator[Callable[[str, int, int], None]]:
    """Progress bars on stderr, one per word; silent where stderr is no terminal."""
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    tasks: dict[str, Any] = {}
    with Progress(console=console, disable=not console.is_terminal, transient=True) as progress:

        def tell(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = progress.add_task(what)
            progress.update(tasks[what], completed=done, total=total)

        yield tell


def tell_left_out(samples: Samples) -> bool:
    """Name every picture that cannot be used; True where something is worth an exit code."""
    for one in samples.left_out:
        (output.warn if one.unreadable else output.note)(f"{one.path}: {one.why}")
    used = {one.person for one in samples.usable}
    faceless = [folder for folder in samples.folders if person_of(folder) not in used]
    for name in faceless:
        output.warn(f"{name}: none of the pictures can be used")
    return bool(faceless) or any(one.unreadable for one in samples.left_out)
