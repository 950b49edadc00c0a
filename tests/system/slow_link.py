"""A slow network: forwards TCP connections, every piece of data held back for a while.

    python -m tests.system.slow_link TARGET_PORT DELAY_MS

Listens on 127.0.0.1 and prints its port. The delay holds for each direction; the order is kept and
the bandwidth is not limited, so that it stands in for distance alone. Runs until it is killed.
"""

from __future__ import annotations

import asyncio
import sys
from contextlib import suppress

PIECE_BYTES = 1 << 18


async def serve(target_port: int, delay_s: float) -> None:
    async def forward(near: asyncio.StreamReader, near_out: asyncio.StreamWriter) -> None:
        try:
            far, far_out = await asyncio.open_connection("127.0.0.1", target_port)
        except OSError:
            near_out.close()
            return
        await asyncio.gather(delayed(near, far_out, delay_s), delayed(far, near_out, delay_s))

    server = await asyncio.start_server(forward, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


async def delayed(source: asyncio.StreamReader, sink: asyncio.StreamWriter, delay_s: float) -> None:
    """Hand on what comes, each piece `delay_s` after it came; b"" is the end."""
    loop = asyncio.get_running_loop()
    under_way: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()

    async def deliver() -> None:
        with suppress(ConnectionError):
            while True:
                due, piece = await under_way.get()
                await asyncio.sleep(due - loop.time())
                if not piece:
                    break
                sink.write(piece)
                await sink.drain()
        sink.close()

    delivery = asyncio.create_task(deliver())
    piece = b"?"
    while piece:
        try:
            piece = await source.read(PIECE_BYTES)
        except ConnectionError:
            piece = b""
        under_way.put_nowait((loop.time() + delay_s, piece))
    await delivery


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]), float(sys.argv[2]) / 1000))
