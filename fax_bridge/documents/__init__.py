"""Bytes in, bytes out: documents of every kind, in a process of their own."""
