#!/usr/bin/python3
"""Messages of a queue, read with kombu's SimpleQueue, one JSON line for each.

usage: drain.py URL QUEUE [COUNT [SECONDS]]

Declares exchange and queue as SimpleQueue does, then reads COUNT messages
(default: all), until none has come for SECONDS (default 1).
"""

import json
import queue
import sys

import kombu


def describe(message):
    """What a consumer sees of a message."""
    properties = message.properties
    return {
        "message_id": properties.get("message_id"),
        "content_type": message.content_type,
        "content_encoding": message.content_encoding,
        "delivery_mode": properties.get("delivery_mode"),
        "priority": properties.get("priority"),
        "body": message.payload,
    }


def main():
    """Read and print."""
    url, name = sys.argv[1:3]
    count = int(sys.argv[3]) if len(sys.argv) > 3 else sys.maxsize
    seconds = float(sys.argv[4]) if len(sys.argv) > 4 else 1
    with kombu.Connection(url) as connection:
        simple = connection.SimpleQueue(name)
        for _ in range(count):
            try:
                message = simple.get(timeout=seconds)
            except queue.Empty:
                break
            print(json.dumps(describe(message)), flush=True)
            message.ack()
        simple.close()


if __name__ == "__main__":
    main()
