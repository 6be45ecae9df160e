"""Server-side request forgery: no address that a user gives leads into a private network."""

from __future__ import annotations

import asyncio
import ipaddress
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx2
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from core.identity.sso.fetch import HttpFetch
from core.kit import outgoing
from core.kit.errors import BadAnswer, NotPublic, Unavailable
from core.kit.outgoing import PublicTransport, is_public

PRIVATE = [
    "127.0.0.1", "127.8.8.8", "0.0.0.0", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254",  # noqa: S104
    "100.64.0.1", "192.0.0.8", "198.18.0.1", "224.0.0.1", "240.0.0.1", "255.255.255.255", "::", "::1", "fe80::1",
    "fd00::1", "ff02::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "2002:7f00:1::", "2002:a00:1::", "64:ff9b::a00:1",
    "64:ff9b::a9fe:a9fe", "2001:db8::1",
]  # fmt: skip
PUBLIC = ["8.8.8.8", "200.147.3.157", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"]


@pytest.mark.parametrize("address", PRIVATE)
def test_private_addresses_are_not_public_in_any_disguise(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses_are(address: str) -> None:
    assert is_public(address)


@dataclass
class Server:
    """Answers every request alike and remembers what it was asked."""

    answer: bytes = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
    port: int = 0
    asked: list[bytes] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.asked.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(self.answer)
        await writer.drain()
        writer.close()


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    ours = Server()
    listening = await asyncio.start_server(ours.serve, "127.0.0.1", 0)
    ours.port = listening.sockets[0].getsockname()[1]
    async with listening:
        yield ours


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "2130706433", "0x7f000001", "0177.0.0.1", "127.1", "[::1]"])
async def test_this_machine_is_not_reached_however_it_is_written(server: Server, host: str) -> None:
    async with outgoing.client() as client:
        with pytest.raises((NotPublic, Unavailable, httpx2.InvalidURL)):
            await client.get(f"http://{host}:{server.port}/")
    assert server.asked == []


async def test_a_developers_machine_reaches_itself_and_nothing_else_that_is_private(server: Server) -> None:
    async with outgoing.client(loopback=True) as client:
        assert (await client.get(f"http://localhost:{server.port}/")).text == "ok"
        with pytest.raises(NotPublic):
            await client.get("http://169.254.169.254/latest/meta-data")


async def test_a_name_with_one_private_address_among_public_ones_is_refused(server: Server) -> None:
    async def both(host: str, port: int) -> list[str]:
        return ["8.8.8.8", "127.0.0.1"]

    transport = PublicTransport(resolve=both, inner=httpx2.AsyncHTTPTransport())
    async with httpx2.AsyncClient(transport=transport) as client:
        with pytest.raises(NotPublic):
            await client.get(f"http://two.example:{server.port}/")
    assert server.asked == []


async def test_a_name_that_is_rebound_after_the_check_is_not_asked_for_again(server: Server) -> None:
    asked: list[str] = []

    async def once(host: str, port: int) -> list[str]:
        asked.append(host)
        return ["127.0.0.1"]

    transport = PublicTransport(resolve=once, loopback=True, inner=httpx2.AsyncHTTPTransport())
    async with httpx2.AsyncClient(transport=transport) as client:
        # The system knows no such name: whoever asked it again would fail.
        answer = await client.get(f"http://rebound.invalid:{server.port}/path?q=1")
    assert answer.text == "ok"
    assert asked == ["rebound.invalid"]
    assert f"host: rebound.invalid:{server.port}".encode() in server.asked[0].lower()


async def test_a_redirect_into_the_private_network_is_not_followed(server: Server) -> None:
    inside = Server()
    listening = await asyncio.start_server(inside.serve, "127.0.0.1", 0)
    target = listening.sockets[0].getsockname()[1]
    server.answer = f"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:{target}/\r\nContent-Length: 0\r\n\r\n".encode()
    async with listening:
        fetched = await HttpFetch(loopback=True)("GET", f"http://127.0.0.1:{server.port}/", headers={})
    assert fetched.status == 302
    assert inside.asked == []


async def test_an_answer_without_end_is_cut_off(server: Server) -> None:
    server.answer = b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 2_000_000
    with pytest.raises(BadAnswer):
        await HttpFetch(loopback=True)("GET", f"http://127.0.0.1:{server.port}/", headers={})


def certificate(folder: Path, name: str) -> tuple[Path, Path]:
    """A certificate for a host's name, signed by itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder().subject_name(subject).issuer_name(subject).public_key(key.public_key())
        .serial_number(1).not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    paths = folder / f"{name}.pem", folder / f"{name}.key"
    paths[0].write_bytes(made.public_bytes(serialization.Encoding.PEM))
    paths[1].write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )  # fmt: skip
    return paths


@pytest.mark.parametrize(("asked", "good"), [("issuer.example", True), ("other.example", False)])
async def test_the_certificate_is_checked_against_the_name_and_not_the_pinned_address(
    tmp_path: Path, asked: str, good: bool
) -> None:
    chain, key = certificate(tmp_path, "issuer.example")
    offering = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    offering.load_cert_chain(chain, key)
    server = Server()
    listening = await asyncio.start_server(server.serve, "127.0.0.1", 0, ssl=offering)
    port = listening.sockets[0].getsockname()[1]

    async def here(host: str, port: int) -> list[str]:
        return [str(ipaddress.ip_address("127.0.0.1"))]

    trusting = ssl.create_default_context(cafile=str(chain))
    transport = PublicTransport(resolve=here, loopback=True, inner=httpx2.AsyncHTTPTransport(verify=trusting))
    async with listening, httpx2.AsyncClient(transport=transport) as client:
        if good:
            assert (await client.get(f"https://{asked}:{port}/")).text == "ok"
        else:
            with pytest.raises(httpx2.ConnectError, match="certificate"):
                await client.get(f"https://{asked}:{port}/")
