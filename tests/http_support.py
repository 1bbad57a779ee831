"""Servers for tests of HTTP clients: one that says exactly what it is told, and one that speaks HTTP/2."""

import datetime as dt
import ipaddress
import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import h2.config
import h2.connection
import h2.events
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


@dataclass(frozen=True)
class Received:
    """A request as it came: the header names in lower case, and the number of the connection that brought it."""

    path: str
    headers: dict[str, str]
    body: bytes
    connection: int


def http(status: int, body: bytes = b"", *headers: str, content_type: str | None = "application/json") -> bytes:
    """Return a whole HTTP/1.1 response."""
    lines = [f"HTTP/1.1 {status} Whatever", f"Content-Length: {len(body)}", *headers]
    if content_type is not None:
        lines.append(f"Content-Type: {content_type}")
    return "\r\n".join([*lines, "", ""]).encode() + body


Script = Callable[["TestServer", socket.socket, Received], bytes | None]


class TestServer:
    """Listens on loopback, keeps what it receives, and lets `script` answer.

    The script returns what to send, b"" for nothing, and the connection is kept; for None it is closed. It may also
    write to the connection itself. With HTTP/2, requests are answered when `hold` of them wait, the last one first.
    With a `greeting`, that is said before anything is heard, and nothing else.
    """

    __test__ = False

    def __init__(self, script: Script, tls: ssl.SSLContext | None = None) -> None:
        self.script = script
        self.received: list[Received] = []
        self.over = threading.Event()
        self.hold = 1
        self.greeting = b""
        self._tls = tls
        self._open: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port: int = self._listener.getsockname()[1]

    @property
    def url(self) -> str:
        """The address of the project that this server plays."""
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self.port}"

    @property
    def connections(self) -> int:
        """How many connections have brought a request."""
        return len({request.connection for request in self.received})

    def start(self) -> None:
        """Accept connections, each with a thread of its own."""
        self._spawn(self._accept)

    def stop(self) -> None:
        """Hang up, and wait for all threads."""
        self.over.set()
        for line in [self._listener, *self._open]:
            with suppress(OSError):
                line.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(10)
        for line in [self._listener, *self._open]:
            line.close()

    def _spawn(self, work: Callable[[], None]) -> None:
        thread = threading.Thread(target=work, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        number = 0
        with suppress(OSError):
            while not self.over.is_set():
                line, _ = self._listener.accept()
                self._open.append(line)
                number += 1
                self._spawn(lambda line=line, number=number: self._converse(line, number))  # type: ignore[misc]

    def _converse(self, line: socket.socket, number: int) -> None:
        with suppress(OSError):  # the client has seen enough, or refused the certificate
            if self._tls:
                line = self._tls.wrap_socket(line, server_side=True)
                self._open.append(line)
                if line.selected_alpn_protocol() == "h2":  # type: ignore[attr-defined]
                    self._http2(line, number)
                    return
            if self.greeting:
                line.sendall(self.greeting)
                while line.recv(65536):
                    pass
                return
            with line.makefile("rb") as stream:
                while request := _read_request(stream, number):
                    self.received.append(request)
                    answer = self.script(self, line, request)
                    if answer is None:
                        line.shutdown(socket.SHUT_RDWR)
                        return
                    line.sendall(answer)

    def _http2(self, line: socket.socket, number: int) -> None:
        """Answer each request of an HTTP/2 connection with what the script returns, as if it were HTTP/1.1."""
        connection = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False))
        connection.initiate_connection()
        line.sendall(connection.data_to_send())
        streams: dict[int, tuple[dict[str, str], bytearray]] = {}
        waiting: list[tuple[int, Received]] = []
        while data := line.recv(65536):
            for event in connection.receive_data(data):
                match event:
                    case h2.events.RequestReceived():
                        streams[event.stream_id] = ({k.decode(): v.decode() for k, v in event.headers}, bytearray())
                    case h2.events.DataReceived():
                        streams[event.stream_id][1].extend(event.data)
                    case h2.events.StreamEnded():
                        headers, body = streams.pop(event.stream_id)
                        waiting.append((event.stream_id, Received(headers[":path"], headers, bytes(body), number)))
            open_still = True
            while open_still and waiting and len(waiting) >= self.hold:
                open_still = self._answer_http2(connection, line, waiting)
            line.sendall(connection.data_to_send())
            if not open_still:
                line.shutdown(socket.SHUT_RDWR)
                return

    def _answer_http2(
        self, connection: h2.connection.H2Connection, line: socket.socket, waiting: list[tuple[int, Received]]
    ) -> bool:
        """Answer what waits; return whether the connection stays open."""
        while waiting:
            stream, request = waiting.pop()
            self.received.append(request)
            answer = self.script(self, line, request)
            if answer is None:
                connection.close_connection(last_stream_id=stream)
                return False
            if answer:
                _send_http2(connection, stream, answer)
        return True


def _send_http2(connection: h2.connection.H2Connection, stream: int, answer: bytes) -> None:
    head, _, body = answer.partition(b"\r\n\r\n")
    status, *lines = head.decode().split("\r\n")
    headers = [(":status", status.split()[1])]
    headers += [(name.lower(), value.strip()) for name, _, value in (text.partition(":") for text in lines)]
    connection.send_headers(stream, headers)
    connection.send_data(stream, body, end_stream=True)


def _read_request(stream: BinaryIO, number: int) -> Received | None:
    first, headers = stream.readline().decode("latin-1").split(), {}
    while line := stream.readline().decode("latin-1").strip():
        name, _, value = line.partition(":")
        headers[name.lower()] = value.strip()
    length = int(headers.get("content-length", 0))
    body = stream.read(length)
    return Received(first[1], headers, body, number) if len(first) == 3 and len(body) == length else None


@contextmanager
def serving(script: Script, tls: ssl.SSLContext | None = None) -> Iterator[TestServer]:
    """Run a server for the length of a block."""
    server = TestServer(script, tls)
    server.start()
    try:
        yield server
    finally:
        server.stop()


def echo(_server: TestServer, _line: socket.socket, request: Received) -> bytes:
    """Answer with what came, as one row."""
    row = {"path": request.path, "headers": request.headers, "body": json.loads(request.body)}
    return http(200, json.dumps(row).encode())


@dataclass
class Authority:
    """A certificate authority of our own."""

    folder: Path
    _key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))

    def __post_init__(self) -> None:
        name = _name("authority of these tests")
        self._issuer = name
        certificate = (
            _builder(name, name, self._key.public_key())
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(
                x509.SubjectKeyIdentifier.from_public_key(self._key.public_key()),
                critical=False,
            )
            .add_extension(
                x509.KeyUsage(
                    digital_signature=True,
                    key_cert_sign=True,
                    crl_sign=True,
                    content_commitment=False,
                    key_encipherment=False,
                    data_encipherment=False,
                    key_agreement=False,
                    encipher_only=False,
                    decipher_only=False,
                ),
                critical=True,
            )
            .sign(self._key, hashes.SHA256())
        )
        self.certificates = self.folder / "authority.pem"
        self.certificates.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))

    def context(
        self, *, host: str = "127.0.0.1", expired: bool = False, signed: bool = True, http2: bool = False
    ) -> ssl.SSLContext:
        """Return what a server needs that shows a certificate for a host; `signed` by this authority, or by itself."""
        key = ec.generate_private_key(ec.SECP256R1())
        names: list[x509.GeneralName] = [x509.DNSName(host)]
        with suppress(ValueError):
            names = [x509.IPAddress(ipaddress.ip_address(host))]
        subject = _name(host)
        certificate = (
            _builder(subject, self._issuer if signed else subject, key.public_key(), expired=expired)
            .add_extension(x509.SubjectAlternativeName(names), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(
                    self._key.public_key() if signed else key.public_key()
                ),
                critical=False,
            )
            .sign(self._key if signed else key, hashes.SHA256())
        )
        file = self.folder / "server.pem"
        file.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
            + certificate.public_bytes(serialization.Encoding.PEM)
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(file)
        context.set_alpn_protocols(["h2", "http/1.1"] if http2 else ["http/1.1"])
        return context


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, *, expired: bool = False
) -> x509.CertificateBuilder:
    now = dt.datetime.now(dt.UTC)
    day = dt.timedelta(days=1)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - 3 * day)
        .not_valid_after(now - day if expired else now + day)
    )
