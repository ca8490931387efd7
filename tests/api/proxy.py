"""
A proxy that loses things, between clients and an instance, for test_storm.sh.

usage: proxy.py own|shared HOST PORT PERCENT FILE

Of a hundred requests PERCENT are not sent on; of as many the answer is read to its end and
then given to nobody; and of two the client gets the first half.  Each time the client's
connection ends.  "own": each client's connection has one of its own to the server, and
nothing tells of the proxy.  "shared": those to the server are kept and carry the requests of
any client, and each request says Via (RFC 9110, 7.6.3).  FILE gets the port it listens on
at 127.0.0.1 once it does; what was lost is printed when the input ends.
"""

import asyncio
import collections
import os
import random
import sys

KIND, HOST, PORT, PERCENT, FILE = sys.argv[1:6]
SHARED = KIND == "shared"
CUT = 2
CHANCE = random.Random(5)
COUNTS = collections.Counter()
IDLE = []


def length_of(head):
    """The length of the body that this head announces, None if it comes in chunks."""
    for line in head.lower().split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if name == b"content-length":
            return int(value)
        if name == b"transfer-encoding":
            return None
    return 0


async def body(stream, head):
    """What follows the head."""
    length = length_of(head)
    if length is not None:
        return await stream.readexactly(length)
    whole = b""
    while True:
        line = await stream.readuntil(b"\r\n")
        chunk = await stream.readexactly(int(line, 16) + 2)
        whole += line + chunk
        if chunk == b"\r\n":
            return whole


async def server(own):
    """A connection to the server."""
    if own:
        return own
    while SHARED and IDLE:
        pair = IDLE.pop()
        if not pair[0].at_eof():
            return pair
        pair[1].close()
    return await asyncio.open_connection(HOST, int(PORT))


async def answer_of(pair, request):
    """The whole answer to the request, and whether the connection goes on."""
    pair[1].write(request)
    await pair[1].drain()
    head = await pair[0].readuntil(b"\r\n\r\n")
    whole = head + await body(pair[0], head)
    return whole, b"connection: close" not in head.lower()


async def carry(reader, writer, own):
    """One request and its answer; the connection for the next, None where it ends."""
    head = await reader.readuntil(b"\r\n\r\n")
    if SHARED:
        head = head[:-2] + b"Via: 1.1 lossy\r\n\r\n"
    request = head + await body(reader, head)
    if CHANCE.randrange(100) < int(PERCENT):
        COUNTS["requests lost"] += 1
        return None
    pair = await server(own)
    lost = CHANCE.randrange(100)
    try:
        answer, goes_on = await answer_of(pair, request)
    except BaseException:
        pair[1].close()
        raise
    if not goes_on:
        pair[1].close()
    elif SHARED:
        IDLE.append(pair)
    if lost < int(PERCENT):
        COUNTS["answers lost"] += 1
    elif lost < int(PERCENT) + CUT:
        COUNTS["answers cut"] += 1
        writer.write(answer[:len(answer) // 2])
        await writer.drain()
    else:
        writer.write(answer)
        await writer.drain()
        if goes_on:
            return pair
    if not SHARED:
        pair[1].close()
    return None


async def serve(reader, writer):
    """All of one client's connection."""
    pair = None
    try:
        while True:
            pair = await carry(reader, writer, None if SHARED else pair)
            if pair is None:
                break
    except (OSError, asyncio.IncompleteReadError):
        if pair is not None and not SHARED:
            pair[1].close()
    finally:
        writer.close()


async def main():
    """Until the input ends."""
    ended = asyncio.Event()
    asyncio.get_running_loop().add_reader(0, ended.set)
    listening = await asyncio.start_server(serve, "127.0.0.1", 0, limit=1 << 20)
    with open(FILE + ".new", "w", encoding="ascii") as f:
        f.write("%d\n" % listening.sockets[0].getsockname()[1])
    os.rename(FILE + ".new", FILE)
    await ended.wait()
    print(dict(COUNTS))
    sys.stdout.flush()
    os._exit(0)


asyncio.run(main())
