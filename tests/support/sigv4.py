"""AWS's signature of a request, from its documentation ("Create a signed AWS API request") and nothing of AWS's."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from urllib.parse import quote


def signature_of(path: str, headers: Mapping[str, str], body: bytes, secret: str) -> str:
    """Return the signature of a POST to *path*, as it is on the wire, over the headers its `Authorization` names."""
    found = {name.lower(): " ".join(value.split()) for name, value in headers.items()}
    credential, _, rest = found["authorization"].partition("Credential=")[2].partition(", SignedHeaders=")
    names, scope = rest.partition(",")[0], credential.partition("/")[2]
    lines = "".join(f"{name}:{found[name]}\n" for name in names.split(";"))
    digest = hashlib.sha256(body).hexdigest()
    canonical = "\n".join(("POST", quote(path, safe="/~"), "", lines, names, digest))
    to_sign = "\n".join(
        ("AWS4-HMAC-SHA256", found["x-amz-date"], scope, hashlib.sha256(canonical.encode()).hexdigest())
    )
    key = f"AWS4{secret}".encode()
    for step in scope.split("/"):
        key = hmac.digest(key, step.encode(), "sha256")
    return hmac.digest(key, to_sign.encode(), "sha256").hex()
