"""Certificates for tests."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

_IDENTIFIERS = (x509.SubjectKeyIdentifier, x509.AuthorityKeyIdentifier)
_USAGES = (
    "content_commitment",
    "key_encipherment",
    "data_encipherment",
    "key_agreement",
    "crl_sign",
    "encipher_only",
    "decipher_only",
)


@dataclass(frozen=True, slots=True)
class Identity:
    """A certificate and its key, as files."""

    cert: Path
    key: Path

    def pair(self) -> tuple[bytes, bytes]:
        """Return key and certificate, as gRPC servers take them."""
        return self.key.read_bytes(), self.cert.read_bytes()


class Authority:
    """Signs certificates in *folder*."""

    def __init__(self, folder: Path, name: str = "ca") -> None:
        self._folder = folder
        self._name = _named(name)
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._own = Identity(folder / f"{name}.pem", folder / f"{name}.key")
        self._write(self._own, self._signed(self._name, self._key.public_key(), (), authority=True), self._key)

    @property
    def cert(self) -> Path:
        """Whom to trust."""
        return self._own.cert

    def issue(self, name: str, *addresses: str, until: datetime | None = None) -> Identity:
        """Return an identity for *addresses*, such as "DNS:localhost" and "IP:127.0.0.1", valid for days or *until*."""
        issued = Identity(self._folder / f"{name}.pem", self._folder / f"{name}.key")
        key = ec.generate_private_key(ec.SECP256R1())
        self._write(issued, self._signed(_named(name), key.public_key(), addresses, authority=False, until=until), key)
        return issued

    def lock(self, name: str, password: bytes) -> Path:
        """Write this authority's key once more, encrypted, and return its file."""
        locked = self._folder / f"{name}.key"
        locked.write_bytes(_pem(self._key, serialization.BestAvailableEncryption(password)))
        return locked

    def _signed(
        self,
        subject: x509.Name,
        key: ec.EllipticCurvePublicKey,
        addresses: tuple[str, ...],
        *,
        authority: bool,
        until: datetime | None = None,
    ) -> x509.Certificate:
        until = until or datetime.now(UTC) + timedelta(days=2)
        draft = x509.CertificateBuilder(self._name, subject, key, x509.random_serial_number())
        draft = draft.not_valid_before(until - timedelta(days=2, hours=1)).not_valid_after(until)
        for extension in _strict(key, self._key.public_key(), authority=authority):
            draft = draft.add_extension(extension, critical=not isinstance(extension, _IDENTIFIERS))
        if addresses:
            draft = draft.add_extension(x509.SubjectAlternativeName(map(_address, addresses)), critical=False)
        return draft.sign(self._key, hashes.SHA256())

    def _write(self, identity: Identity, cert: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> None:
        identity.cert.write_bytes(cert.public_bytes(serialization.Encoding.PEM))
        identity.key.write_bytes(_pem(key, serialization.NoEncryption()))


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _strict(
    key: ec.EllipticCurvePublicKey, signer: ec.EllipticCurvePublicKey, *, authority: bool
) -> tuple[x509.ExtensionType, ...]:
    """Return what RFC 5280 asks for, and Python insists on from 3.13 on."""
    usages = dict.fromkeys(_USAGES, False) | {"digital_signature": True, "key_cert_sign": authority}
    return (
        x509.BasicConstraints(ca=authority, path_length=None),
        x509.KeyUsage(**usages),
        x509.SubjectKeyIdentifier.from_public_key(key),
        x509.AuthorityKeyIdentifier.from_issuer_public_key(signer),
    )


def _address(address: str) -> x509.GeneralName:
    kind, _, value = address.partition(":")
    return x509.DNSName(value) if kind == "DNS" else x509.IPAddress(ip_address(value))


def _pem(key: ec.EllipticCurvePrivateKey, encryption: serialization.KeySerializationEncryption) -> bytes:
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption)
