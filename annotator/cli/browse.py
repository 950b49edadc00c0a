from __future__ import annotations

import click

from annotator.cli.options import common_options, load_config


@click.command()
@common_options
@click.option(
    "--host", default="127.0.0.1", show_default=True, help="Serve here; other hosts need a token."
)
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=8001,
    show_default=True,
    help="Serve here; 0 takes a free one.",
)
@click.option("--open", "opens", is_flag=True, help="Open it in this computer's browser.")
@click.option(
    "--token",
    envvar="ANNOTATOR_BROWSE_TOKEN",
    help="What everybody has to know, 16 characters or more (else $ANNOTATOR_BROWSE_TOKEN).",
)
@click.option(
    "--name", "names", multiple=True, help="Another name of this server, as behind a proxy."
)
def browse(host: str, port: int, opens: bool, token: str | None, names: tuple[str, ...]) -> None:
    """Look at the past in a browser.

    Events with pictures, boxes and names; all that was seen as tables with filters, facets, SQL and
    JSON. The address is printed; nothing can be changed there. Ctrl-C ends it.

    \b
    Example:
      annotator browse --open
    """
    from annotator.app import browsing
    from annotator.browse.server import Address

    def ready(url: str) -> None:
        click.echo(url)
        click.echo("Ctrl-C ends it", err=True)
        if opens:
            click.launch(url)

    browsing.browse(load_config(), Address(host, port, token, names), ready)
