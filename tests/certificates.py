"""Certificates for the tests, made by openssl: an authority, and pairs that it signs."""

import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.tools import tool

_EC = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]


@dataclass(frozen=True)
class Pair:
    cert: Path
    key: Path


def authority(home: Path, name: str = "ca") -> Pair:
    """Skips where openssl is missing."""
    pair = Pair(home / f"{name}.pem", home / f"{name}.key")
    _openssl("req", "-x509", *_EC, "-keyout", pair.key, "-out", pair.cert, "-subj", f"/CN=test {name}", "-days", "2")
    return pair


def signed(home: Path, by: Pair, name: str, *, alternative: str = "IP:127.0.0.1,DNS:localhost") -> Pair:
    """A pair whose common name is ``name``; its files are named for it, and written anew where they are there."""
    pair, request, extra = Pair(home / f"{name}.pem", home / f"{name}.key"), home / f"{name}.csr", home / f"{name}.ext"
    extra.write_text(f"subjectAltName={alternative}\n")
    _openssl("req", *_EC, "-keyout", pair.key, "-out", request, "-subj", f"/CN={name}")
    ca: list[str | Path] = ["-CA", by.cert, "-CAkey", by.key, "-CAcreateserial", "-days", "2", "-extfile", extra]
    _openssl("x509", "-req", "-in", request, "-out", pair.cert, *ca)
    return pair


def _openssl(*words: str | Path) -> None:
    subprocess.run([tool("openssl"), *map(str, words)], check=True, capture_output=True, timeout=30)
