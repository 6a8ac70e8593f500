"""One attempt to move the rest of a file over FTP (RFC 959, 3659): SIZE, MDTM and REST, passive mode, anonymous."""

from __future__ import annotations

import ftplib
import socket
from urllib.parse import unquote, urlsplit

from backmapbench.datasets.download.partial import Partial
from backmapbench.datasets.download.policy import Policy, RefusedError, TransientError
from backmapbench.datasets.download.transfer import CHUNK, Expected, Watch, continue_from

PORT = 21


def ftp_transfer(url: str, partial: Partial, expected: Expected, policy: Policy, watch: Watch) -> None:
    """Append what is missing of ``url`` to ``partial``. Raises as ``http_transfer`` does."""
    split = urlsplit(url)
    path = unquote(split.path)
    try:
        with ftplib.FTP(timeout=policy.connect_s) as ftp:  # noqa: S321  (public files, checked by hash)
            ftp.connect(split.hostname or "", split.port or PORT)
            ftp.login(unquote(split.username or "anonymous"), unquote(split.password or "anonymous@"))
            ftp.voidcmd("TYPE I")
            total, validator = _size(ftp, path), _modified(ftp, path)
            expected.check_total(total)
            start = continue_from(partial, url, validator, total, expected)
            _receive(ftp, path, start, partial, policy, watch, total)
            # SIZE is of the file on the server: without it only a hash or the card can tell a cut.
            expected.check_end(partial.size, total, ended=False)
    except (ftplib.error_perm, ValueError) as error:
        raise RefusedError(f"answers '{' '.join(str(error).split())[:160]}'") from error
    except (ftplib.Error, EOFError, OSError) as error:
        raise TransientError(f"no answer ({type(error).__name__}: {error})") from error


def _size(ftp: ftplib.FTP, path: str) -> int | None:
    try:
        return ftp.size(path)
    except ftplib.error_perm as error:
        if str(error).startswith("550"):
            raise
        return None


def _modified(ftp: ftplib.FTP, path: str) -> str | None:
    try:
        return ftp.sendcmd(f"MDTM {path}")
    except ftplib.error_perm:
        return None


def _receive(
    ftp: ftplib.FTP, path: str, start: int, partial: Partial, policy: Policy, watch: Watch, total: int | None
) -> None:
    if total is not None and start == total:
        return
    try:
        connection = ftp.transfercmd(f"RETR {path}", rest=start or None)
    except ftplib.error_perm as error:
        if start and str(error).startswith(("500", "501", "502", "504")):
            partial.forget()  # no REST here: the next attempt begins at the beginning
            raise TransientError("cannot continue a file") from error
        raise
    with connection, partial.append() as handle:
        connection.settimeout(policy.read_s)
        watch.start()
        while chunk := _read(connection, handle.tell()):
            watch.write(handle, chunk, total)
    ftp.voidresp()


def _read(connection: socket.socket, offset: int) -> bytes:
    try:
        return connection.recv(CHUNK)
    except OSError as error:
        raise TransientError(f"cut off after {offset} bytes ({type(error).__name__}: {error})") from error
