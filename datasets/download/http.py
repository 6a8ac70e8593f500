"""One attempt to move the rest of a file over HTTP (RFC 9110): byte ranges, If-Range, redirects, and their failures."""

from __future__ import annotations

import re
from http.client import HTTPException
from importlib.metadata import version
from pathlib import PurePosixPath
from urllib.parse import urlsplit

import requests
import urllib3

from backmapbench.datasets.download.partial import Origin, Partial
from backmapbench.datasets.download.policy import Policy, RefusedError, SpoiledError, TransientError, retry_after
from backmapbench.datasets.download.transfer import CHUNK, Expected, Watch, resumable

AGAIN = {408, 425, 429, *range(500, 600)} - {501, 505}
REDIRECTS = 10


def http_transfer(url: str, partial: Partial, expected: Expected, policy: Policy, watch: Watch) -> None:
    """Append what is missing of ``url`` to ``partial``.

    Raises TransientError, RefusedError or SpoiledError (see ``policy``), DownloadError for the local disk.
    """
    start = partial.size if resumable(partial, url, expected) else 0
    if start and start == _whole(partial, expected):
        return
    with requests.Session() as session:
        session.max_redirects = REDIRECTS
        response = _ask(session, url, _headers(partial, url, start), policy)
        with response:
            _check_status(response, partial, start, expected)
            _check_kind(response, url, expected)
            _receive(response, url, partial, start, expected, watch)


def _whole(partial: Partial, expected: Expected) -> int | None:
    origin = partial.origin
    return expected.bytes if expected.bytes is not None or origin is None else origin.total


def _headers(partial: Partial, url: str, start: int) -> dict[str, str]:
    # Identity: what is hashed are the bytes of the file, not of a compressed transfer.
    headers = {"Accept-Encoding": "identity", "User-Agent": f"backmapbench/{version('backmapbench')}"}
    origin = partial.origin
    if start and origin is not None:
        headers["Range"] = f"bytes={start}-"
        if origin.url == url and origin.validator is not None:
            headers["If-Range"] = origin.validator
    return headers


def _ask(session: requests.Session, url: str, headers: dict[str, str], policy: Policy) -> requests.Response:
    try:
        return session.get(url, headers=headers, stream=True, timeout=(policy.connect_s, policy.read_s))
    except requests.exceptions.SSLError as error:
        raise RefusedError(f"no trustworthy TLS connection ({_reason(error)})") from error
    except requests.exceptions.TooManyRedirects as error:
        raise RefusedError(f"redirects more than {REDIRECTS} times") from error
    except (requests.exceptions.InvalidURL, requests.exceptions.InvalidSchema, UnicodeError) as error:
        raise RefusedError(f"leads to an address that cannot be used ({_reason(error)})") from error
    except (requests.RequestException, urllib3.exceptions.HTTPError, HTTPException, OSError) as error:
        raise TransientError(f"no answer ({_reason(error)})") from error


def _check_status(response: requests.Response, partial: Partial, start: int, expected: Expected) -> None:
    status = response.status_code
    if status in AGAIN:
        raise TransientError(f"answers {status} {response.reason}", retry_after(response.headers.get("Retry-After")))
    if status == 416:
        raise SpoiledError(f"has no bytes from {start} on")
    if status not in (200, 206):
        raise RefusedError(f"answers {status} {response.reason}")
    if status == 206:
        found = re.fullmatch(r"bytes (\d+)-(\d+)/(\d+|\*)", response.headers.get("Content-Range", ""))
        if start == 0 or found is None or int(found[1]) != start:
            raise SpoiledError("answers with another range than asked for")


def _check_kind(response: requests.Response, url: str, expected: Expected) -> None:
    final = urlsplit(response.url)
    if urlsplit(url).scheme == "https" and final.scheme != "https" and not expected.hashed:
        raise RefusedError("redirects from https to http, and no hash is known to check the file by")
    page = response.headers.get("Content-Type", "").split(";")[0].strip().lower() == "text/html"
    if page and not expected.hashed and PurePosixPath(expected.path).suffix not in (".html", ".htm"):
        raise RefusedError("answers with a web page instead of the file")


def _receive(
    response: requests.Response, url: str, partial: Partial, start: int, expected: Expected, watch: Watch
) -> None:
    total = _total(response, start)
    expected.check_total(total)
    origin, validator = partial.origin, _validator(response)
    if response.status_code == 206:
        changed = origin is not None and origin.url == url and (origin.validator, origin.total) != (validator, total)
        if changed or (origin is not None and None not in (origin.total, total) and origin.total != total):
            raise SpoiledError("has another version of the file than the one that was begun")
    else:
        # The whole file from its beginning: no ranges here, or the file has changed since.
        partial.begin(Origin(url, validator, total))
    watch.start()
    with partial.append() as handle:
        while True:
            try:
                chunk = response.raw.read1(CHUNK, decode_content=False)
            except (urllib3.exceptions.HTTPError, HTTPException, OSError, ValueError) as error:
                raise TransientError(f"cut off after {handle.tell()} bytes ({_reason(error)})") from error
            if not chunk:
                break
            watch.write(handle, chunk, total)
    chunked = "chunked" in response.headers.get("Transfer-Encoding", "").lower()
    expected.check_end(partial.size, total, ended=chunked)


def _total(response: requests.Response, start: int) -> int | None:
    """Size of the whole file as the server tells it."""
    if response.status_code == 206:
        whole = response.headers["Content-Range"].rsplit("/", 1)[1]
        if whole.isdigit():
            return int(whole)
    length = response.headers.get("Content-Length", "")
    if "Transfer-Encoding" in response.headers or not length.isdigit():
        return None
    return int(length) + (start if response.status_code == 206 else 0)


def _validator(response: requests.Response) -> str | None:
    """A strong mark of the file's version (RFC 9110 8.8): only such a one may be used to continue."""
    tag = response.headers.get("ETag")
    if tag is not None and not tag.startswith("W/"):
        return tag
    modified = response.headers.get("Last-Modified")
    return modified if tag is None else None


def _reason(error: BaseException) -> str:
    """The innermost cause in few words: wrappers of wrappers say little."""
    inner: BaseException = error
    while inner.__cause__ is not None or inner.__context__ is not None:
        inner = inner.__cause__ or inner.__context__ or inner
    return f"{type(inner).__name__}: {' '.join(str(inner).split())}"[:160].rstrip(": ")
