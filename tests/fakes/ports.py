"""Ports for servers that tests start, end and start again."""

import random
import socket


def free_port() -> int:
    """Below those that the kernel gives to clients, so that none of these takes it while the server is away."""
    for port in random.SystemRandom().sample(range(10_000, 32_000), 1000):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)):
                return port
    raise OSError("no port is free")
