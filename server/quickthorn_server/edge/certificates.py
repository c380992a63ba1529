"""The listener's certificate, read again when its files change."""

from __future__ import annotations

import logging
import ssl
import threading
import time
from collections.abc import Callable
from pathlib import Path

import grpc

from quickthorn_server.core.catalogue import Tls
from quickthorn_server.edge.port import ListenError

log = logging.getLogger(__name__)

_LOOK_EVERY = 1.0  # seconds between two looks at the files: handshakes come in storms

Stamp = tuple[tuple[int, int, int], ...]


class Certificates:
    """Key, chain and client authority of *tls*.  Raises ListenError when they cannot be used at the start.

    Later on, files that cannot be used are logged and the certificate before them stays.  *clock* returns seconds.
    """

    def __init__(self, tls: Tls, clock: Callable[[], float] = time.monotonic) -> None:
        self._tls = tls
        self._clock = clock
        self._lock = threading.Lock()
        self._stamp: Stamp = ()
        self._next_look = 0.0
        try:
            self._stamp = self._files_stamp()
            self._first = self._read()
        except (OSError, ValueError) as error:
            raise ListenError(f"cannot serve TLS: {_why(tls, error)}") from None

    def credentials(self) -> grpc.ServerCredentials:
        """Return credentials that ask for a fresh certificate at every handshake."""
        return grpc.dynamic_ssl_server_credentials(
            self._first,
            self.changed,  # type: ignore[arg-type]  # None = unchanged, which the stub forgets
            require_client_authentication=bool(self._tls.client_ca_file),
        )

    def changed(self) -> grpc.ServerCertificateConfiguration | None:
        """Return the certificate if its files have changed, else None.

        gRPC calls this in a thread of its own, once per handshake; a slow answer would hold up running calls too, so
        files are looked at once a second at most.
        """
        with self._lock:
            if self._clock() < self._next_look:
                return None
            self._next_look = self._clock() + _LOOK_EVERY
            try:
                return self._reread()
            except (OSError, ValueError) as error:
                log.warning("the certificate stays as it was: %s", _why(self._tls, error))
                return None

    def _reread(self) -> grpc.ServerCertificateConfiguration | None:
        stamp = self._files_stamp()
        if stamp == self._stamp:
            return None
        configuration = self._read()
        self._stamp = stamp  # last: what cannot be used yet is looked at again
        return configuration

    def _files(self) -> tuple[str, ...]:
        return tuple(filter(None, (self._tls.cert_file, self._tls.key_file, self._tls.client_ca_file)))

    def _files_stamp(self) -> Stamp:
        stats = [Path(file).stat() for file in self._files()]
        return tuple((stat.st_mtime_ns, stat.st_ino, stat.st_size) for stat in stats)

    def _read(self) -> grpc.ServerCertificateConfiguration:
        _check_usable(self._tls)
        authority = Path(self._tls.client_ca_file).read_bytes() if self._tls.client_ca_file else None
        pair = (Path(self._tls.key_file).read_bytes(), Path(self._tls.cert_file).read_bytes())
        return grpc.ssl_server_certificate_configuration([pair], authority)


def _check_usable(tls: Tls) -> None:
    """Raise OSError or ValueError where gRPC would only fail at the first handshake."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tls.cert_file, tls.key_file, password=lambda: "")  # never asks on the terminal
    if tls.client_ca_file:
        context.load_verify_locations(tls.client_ca_file)


def _why(tls: Tls, error: Exception) -> str:
    if isinstance(error, ssl.SSLError):
        authority = f" and {tls.client_ca_file}" if tls.client_ca_file else ""
        return f"{tls.cert_file} and {tls.key_file}{authority} are no matching PEM certificate and key ({error.reason})"
    if isinstance(error, OSError):
        return f"{error.filename or 'a certificate file'}: {error.strerror}"
    return str(error)
