"""What the sockets' server does itself of the protocol."""

import pytest
from websockets.frames import Frame, Opcode

from openhands_site.web import frame


@pytest.mark.parametrize("size", [0, 1, 125, 126, 65_535, 65_536, 1_000_000])
def test_a_text_is_framed_as_the_protocol_says(size: int) -> None:
    text = ("é" * size).encode()[:size]
    assert frame(text) == Frame(Opcode.TEXT, text).serialize(mask=False)
