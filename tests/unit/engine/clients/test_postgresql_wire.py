"""Where CopyData frames end, whatever way the network cuts them."""

from __future__ import annotations

import struct

from hypothesis import given
from hypothesis import strategies as st

from landfall.engine.clients.postgresql_wire import _frames_end


def frame(kind: bytes, body: bytes) -> bytes:
    return kind + struct.pack("!I", len(body) + 4) + body


@given(st.lists(st.binary(max_size=50), max_size=8), st.lists(st.integers(1, 40), min_size=1))
def test_every_frame_is_forwarded_and_the_next_message_is_kept(rows: list[bytes], cuts: list[int]) -> None:
    frames = b"".join(frame(b"d", row) for row in rows)
    after = frame(b"c", b"")
    stream, forwarded, buffer, remaining, finished = frames + after, b"", b"", 0, False
    at = turn = 0
    while not finished:
        size = cuts[turn % len(cuts)]
        turn += 1
        buffer += stream[at : at + size]
        at += size
        ready, remaining, finished = _frames_end(bytearray(buffer), len(buffer), remaining)
        forwarded, buffer = forwarded + buffer[:ready], buffer[ready:]
    assert forwarded == frames
    assert (buffer + stream[at:])[:1] == b"c"
