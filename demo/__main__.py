"""`python -m demo`: see `demo.tour`. Exits with 1 where anything did not work."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from rich.console import Console

from demo.tour import DemoError, Tour


def main() -> int:
    arguments = _parser().parse_args()
    console = Console()
    kept: Path | None = arguments.keep
    if kept is not None and kept.is_dir() and any(kept.iterdir()):
        console.print(f"{kept} is not empty: name a new folder with --keep", style="red")
        return 2
    directory = kept or Path(tempfile.mkdtemp(prefix="annotator-demo-"))
    directory.mkdir(parents=True, exist_ok=True)
    tour = Tour(directory.resolve(), arguments.output, arguments.seconds, arguments.models, console)
    try:
        tour.run()
    except DemoError as error:
        console.print(f"\nThe demo failed: {error}", style="red", soft_wrap=True)
        console.print(f"Everything it made is still in {directory}", soft_wrap=True)
        return 1
    except KeyboardInterrupt:
        console.print(f"\nstopped; what it made is still in {directory}", soft_wrap=True)
        return 130
    console.print(f"\nAnnotated pictures: {arguments.output.absolute()}", soft_wrap=True)
    console.print(f"Store, database and configuration: {directory}", soft_wrap=True)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m demo", description=__doc__)
    parser.add_argument(
        "--keep", type=Path, metavar="DIR", help="work in this folder instead of a temporary one"
    )
    parser.add_argument(
        "--seconds",
        type=float,
        default=60.0,
        metavar="N",
        help="wait so long for the daemon and for its answers (default: 60)",
    )
    parser.add_argument(
        "--models", type=Path, metavar="DIR", help="keep the models here, not in their usual place"
    )
    parser.add_argument(
        "--output",
        type=Path,
        default=Path("demo-out"),
        metavar="DIR",
        help="write the annotated pictures here (default: demo-out)",
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
