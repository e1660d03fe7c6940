"""Ports of this machine for programs that have to be told one before they start."""

import socket


def free_port() -> int:
    """One on which nothing listens now."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port
