"""A web server and a file server on loopback that misbehave as asked, and a patient but quick policy."""

import contextlib
import hashlib
import http.server
import itertools
import os
import socket
import socketserver
import threading
import time
from dataclasses import dataclass, field

import pytest

from backmapbench.datasets.download.fetch import Item, Store
from backmapbench.datasets.download.policy import Policy

STALL_S = 0.5  # longer than the read timeout of the tests that stall


def sha(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


@dataclass
class Site:
    """What a server has, how it answers, and what it was asked."""

    files: dict = field(default_factory=dict)
    faults: dict = field(default_factory=dict)  # path -> list of faults, one used up by each request
    asked: list = field(default_factory=list)
    ranges: bool = True
    tags: bool = True
    lengths: bool = True

    def fault(self, path):
        queue = self.faults.get(path, [])
        return (queue.pop(0) if queue[0] != ("always",) else queue[1]) if queue else ("none",)


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def handle(self):
        with contextlib.suppress(ConnectionError):  # the client may leave when it likes
            super().handle()

    def log_message(self, *_):
        pass

    def do_GET(self):
        site, path = self.server.site, self.path
        kind, *details = site.fault(path)
        site.asked.append((path, self.headers.get("Range"), kind))
        if kind == "status":
            return self.empty(details[0], *details[1:])
        if kind == "redirect":
            return self.empty(302, ("Location", details[0]))
        if kind == "close":
            self.close_connection = True
            return None
        if kind == "change":
            site.files[path] = details[0]
        if path not in site.files:
            return self.empty(404)
        data = site.files[path]
        if kind == "wrong":
            data = bytes(byte ^ 0xFF for byte in data[:1]) + data[1:]
        if kind == "longer":
            data = data + b"more"
        if kind == "shorter":
            data = data[:-3]
        return self.send(data, kind, details)

    def empty(self, status, *headers):
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def send(self, data, kind, details):
        site = self.server.site
        tag = f'"{hashlib.sha256(site.files[self.path]).hexdigest()}"'
        start = self.start(len(data), tag) if kind != "no-range" else 0
        if start is not None and start >= len(data) and start > 0:
            return self.empty(416, ("Content-Range", f"bytes */{len(data)}"))
        body = data[start or 0 :]
        self.send_response(206 if start else 200)
        if start:
            shown = start + 1 if kind == "wrong-range" else start
            self.send_header("Content-Range", f"bytes {shown}-{len(data) - 1}/{len(data)}")
        if site.tags:
            self.send_header("ETag", tag)
        if kind == "html":
            self.send_header("Content-Type", "text/html; charset=utf-8")
        if kind in {"chunked", "chunked-cut"}:
            self.send_header("Transfer-Encoding", "chunked")
        elif site.lengths and kind != "no-length":
            self.send_header("Content-Length", str(len(body)))
        else:
            self.send_header("Connection", "close")
            self.close_connection = True
        self.end_headers()
        return self.body(body, kind, details, start or 0)

    def start(self, size, tag):
        asked = self.headers.get("Range")
        if asked is None or not self.server.site.ranges:
            return 0
        if self.headers.get("If-Range", tag) != tag:
            return 0
        return int(asked.removeprefix("bytes=").rstrip("-"))

    def body(self, body, kind, details, start):
        if kind in ("cut", "stall", "chunked-cut"):
            body = body[: max(0, details[0] - start)]
        if kind.startswith("chunked"):
            body = f"{len(body):x}\r\n".encode() + body + b"\r\n" if body else b""
            body += b"0\r\n\r\n" if kind == "chunked" else b""
        try:
            for piece in self.pieces(body, kind, details):
                self.wfile.write(piece)
            self.wfile.flush()
            if kind == "stall":
                time.sleep(STALL_S)
        except OSError:
            pass
        if kind in ("cut", "stall", "chunked-cut"):
            self.close_connection = True

    def pieces(self, body, kind, details):
        """The body, in ``details[0]`` pieces with a pause of ``details[1]`` s before each if it is to go slowly."""
        if kind != "slow":
            yield body
            return
        size = len(body) // details[0] + 1
        for begin in range(0, len(body), size):
            time.sleep(details[1])
            yield body[begin : begin + size]


class FtpHandler(socketserver.StreamRequestHandler):
    """As much of RFC 959 and 3659 as a download needs."""

    def say(self, line):
        self.wfile.write(f"{line}\r\n".encode())

    def handle(self):
        self.say("220 ready")
        self.rest, self.listener = 0, None
        for raw in self.rfile:
            command, _, argument = raw.decode().strip().partition(" ")
            if command.upper() == "QUIT":
                self.say("221 bye")
                return
            action = getattr(self, f"answer_{command.lower()}", None)
            if action is None:
                self.say("502 not here")
            elif action(argument) == "hang up":
                return

    def answer_user(self, _):
        self.say("331 password")

    def answer_pass(self, _):
        self.say("230 in")

    def answer_type(self, _):
        self.say("200 binary")

    def answer_size(self, path):
        site = self.server.site
        if not site.lengths:
            self.say("502 not here")
        else:
            self.say(f"213 {len(site.files[path])}" if path in site.files else "550 no such file")

    def answer_mdtm(self, path):
        site = self.server.site
        self.say(f"213 {hash(site.files.get(path))}" if site.tags else "502 not here")

    def answer_rest(self, offset):
        if self.server.site.ranges:
            self.rest = int(offset)
            self.say("350 go on")
        else:
            self.say("502 not here")

    def answer_pasv(self, _):
        self.listener = socket.create_server(("127.0.0.1", 0))
        port = self.listener.getsockname()[1]
        self.say(f"227 entering (127,0,0,1,{port // 256},{port % 256})")

    def answer_retr(self, path):
        site = self.server.site
        kind, *details = site.fault(path)
        site.asked.append((path, self.rest, kind))
        if kind == "status":
            self.say(f"{details[0]} no")
            return None
        if path not in site.files:
            self.say("550 no such file")
            return None
        self.say("150 here it comes")
        connection, _ = self.listener.accept()
        data = site.files[path]
        if kind == "wrong":
            data = bytes(byte ^ 0xFF for byte in data)
        if kind in ("cut", "stall"):
            data = data[: details[0]]
        with connection:
            connection.sendall(data[self.rest :])
            if kind == "stall":
                time.sleep(STALL_S)
        self.rest = 0
        if kind in ("cut", "stall"):
            return "hang up"
        self.say("226 done")
        return None


class FtpServer(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True


def serving(server):
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    return server


@pytest.fixture(autouse=True)
def _quick_disk(monkeypatch):
    """Forcing bytes to disk matters when the power fails, not here, and it takes longer than all the rest."""
    monkeypatch.setattr(os, "fsync", lambda _: None)


@pytest.fixture(scope="session")
def _web():
    http.server.ThreadingHTTPServer.daemon_threads = True
    servers = [serving(http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)) for _ in range(2)]
    yield servers
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture(scope="session")
def _ftp():
    server = serving(FtpServer(("127.0.0.1", 0), FtpHandler))
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def web(_web):
    """(site, its address)."""
    _web[0].site = Site()
    return _web[0].site, f"http://127.0.0.1:{_web[0].server_address[1]}"


@pytest.fixture
def mirror(_web):
    """A second (site, address)."""
    _web[1].site = Site()
    return _web[1].site, f"http://127.0.0.1:{_web[1].server_address[1]}"


@pytest.fixture
def ftp(_ftp):
    """(site, its address) over FTP."""
    _ftp.site = Site()
    return _ftp.site, f"ftp://127.0.0.1:{_ftp.server_address[1]}"


@pytest.fixture
def waits():
    """Seconds that the policy of ``store`` would have waited."""
    return []


@pytest.fixture
def policy(waits):
    return Policy(attempts=3, connect_s=20.0, read_s=20.0, pause=waits.append)


@pytest.fixture
def store(tmp_path, policy):
    return Store(tmp_path / "cache", policy=policy)


@pytest.fixture
def fresh(tmp_path, policy):
    """A new empty store at every call."""
    numbers = itertools.count()
    return lambda **options: Store(tmp_path / f"cache{next(numbers)}", **{"policy": policy, **options})


@pytest.fixture
def item():
    """``item(address, ..., data, hashed)``: a file called data.bin at these addresses."""

    def make(*addresses, data=None, hashed=True, sized=False, **options):
        return Item(
            path=options.pop("path", "data.bin"),
            urls=tuple(f"{address}/data.bin" for address in addresses),
            bytes=len(data) if sized else None,
            checksum=sha(data) if hashed else None,
            **options,
        )

    return make


@pytest.fixture
def clean():
    """``clean(store, data)``: the cache holds the right bytes or nothing, and no litter beside them."""

    def check(store, data):
        seen = {path.name for path in store.folder.iterdir()} if store.folder.exists() else set()
        assert seen <= {"data.bin", "hashes.json", "hashes.json.lock", ".work"}
        if "data.bin" in seen:
            assert (store.folder / "data.bin").read_bytes() == data
        return "data.bin" in seen

    return check
