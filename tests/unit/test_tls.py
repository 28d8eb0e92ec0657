"""How the certificates of the API server and of the brokers are checked."""

import asyncio
import datetime
import ssl
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from service import tls

Key = ec.EllipticCurvePrivateKey


def certificate(
    name: str, key: ec.EllipticCurvePrivateKey, signer: ec.EllipticCurvePrivateKey, *, is_ca: bool
) -> bytes:
    """A certificate as many a company's authority makes them: without key identifiers."""
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "authority")]))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(x509.BasicConstraints(ca=is_ca, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(signer, hashes.SHA256())
        .public_bytes(Encoding.PEM)
    )


@pytest.fixture
def authority(tmp_path: Path) -> Path:
    """An authority without key identifiers, and beside it the certificate of `server.example` and its key."""
    root, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    (tmp_path / "authority.pem").write_bytes(certificate("authority", root, root, is_ca=True))
    (tmp_path / "server.pem").write_bytes(
        certificate("server.example", key, root, is_ca=False)
        + key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    )
    return tmp_path / "authority.pem"


async def handshake(client: ssl.SSLContext, chain: Path, name: str) -> None:
    serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    serving.load_cert_chain(chain)
    async with await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0, ssl=serving) as server:
        _, writer = await asyncio.open_connection(*server.sockets[0].getsockname(), ssl=client, server_hostname=name)
        writer.close()


async def test_an_authority_without_key_identifiers_is_one(authority: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Python 3.13 refuses it by default, which is shown first, on any Python."""
    lenient = ssl.create_default_context

    def of_python_3_13(cafile: Path | None = None) -> ssl.SSLContext:
        context = lenient(cafile=cafile)
        context.verify_flags |= ssl.VERIFY_X509_STRICT
        return context

    monkeypatch.setattr(ssl, "create_default_context", of_python_3_13)
    chain = authority.with_name("server.pem")
    with pytest.raises(ssl.SSLCertVerificationError, match="Missing Authority Key Identifier"):
        await handshake(ssl.create_default_context(cafile=authority), chain, "server.example")
    await handshake(tls.server_context(authority), chain, "server.example")


async def test_other_names_and_other_authorities_are_refused(authority: Path) -> None:
    chain = authority.with_name("server.pem")
    with pytest.raises(ssl.SSLCertVerificationError, match="Hostname mismatch"):
        await handshake(tls.server_context(authority), chain, "other.example")
    with pytest.raises(ssl.SSLCertVerificationError, match=r"self-signed certificate|unable to get local issuer"):
        await handshake(tls.server_context(), chain, "server.example")
