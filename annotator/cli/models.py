from __future__ import annotations

import click


@click.group()
def models() -> None:
    """List, fetch and verify model files."""
