"""Servers that tests start: moto's S3 with its writes serialised, and files over HTTP; both slow or faulty on command.

`python -m tests.servers s3` or `python -m tests.servers files <folder>` prints its port and serves until its
standard input ends. `/__control?latency=0.02&fail=503&times=2&method=PUT&after=1` makes requests wait, or so many
fail (with a status, "cut" in the middle of the answer, or "lost" after they were done); its answer says what was
seen since the last time.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
import urllib.parse
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


class Server:
    """A server in a process of its own."""

    def __init__(self, *arguments: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.servers", *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd=ROOT,
            text=True,
        )
        assert self._process.stdout is not None
        self.url = f"http://127.0.0.1:{int(self._process.stdout.readline())}"

    def control(self, **words):
        """Sets what is to go wrong from now on, and gives what was seen since the last time."""
        query = urllib.parse.urlencode(words)
        with urllib.request.urlopen(f"{self.url}/__control?{query}", timeout=20) as answer:
            return json.load(answer)

    def close(self) -> None:
        """Ends the process."""
        self._process.stdin.close()
        self._process.wait(timeout=20)
        self._process.stdout.close()


class Script:
    """What is to happen to requests, and what was seen of them."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.now = 0
        self.set({})
        self.seen()

    def set(self, words):
        self.latency = float(words.get("latency", 0))
        self.fail, self.times = words.get("fail", ""), int(words.get("times", 1 << 60))
        self.method, self.part, self.after = (
            words.get("method", ""), words.get("key", ""), int(words.get("after", 0))
        )  # fmt: skip
        self.ranges = words.get("ranges", "yes") == "yes"
        self.ignore = words.get("ignore", "")

    def seen(self):
        with self.lock:
            seen = getattr(self, "counts", {}), getattr(self, "most", 0)
            self.counts, self.most = {}, 0
        return {"requests": seen[0], "most": seen[1]}

    def begin(self, method: str, path: str) -> str:
        """Counts a request, waits, and says how it is to fail."""
        with self.lock:
            self.counts[method] = self.counts.get(method, 0) + 1
            self.now += 1
            self.most = max(self.most, self.now)
            fails = bool(self.fail) and self.method in ("", method) and self.part in path
            if fails and self.after > 0:
                self.after -= 1
                fails = False
            fails = fails and self.times > 0
            self.times -= fails
        time.sleep(self.latency)
        return self.fail if fails else ""

    def end(self) -> None:
        with self.lock:
            self.now -= 1


SCRIPT = Script()


def control(query: str) -> bytes:
    seen = SCRIPT.seen()
    SCRIPT.set(dict(urllib.parse.parse_qsl(query)))
    return json.dumps(seen).encode()


def serve_s3() -> ThreadingHTTPServer:
    """moto's server; one write at a time, as its checks and its writes are two steps."""
    from moto.server import DomainDispatcherApplication, create_backend_app
    from werkzeug.serving import WSGIRequestHandler, make_server

    moto = DomainDispatcherApplication(create_backend_app)
    writing = threading.Lock()

    def failed(start, status):
        start(f"{status} Injected", [("Content-Type", "text/plain")])
        return [b"injected"]

    def app(environ, start):
        path = environ["PATH_INFO"]
        if path == "/__control":
            start("200 OK", [("Content-Type", "application/json")])
            return [control(environ["QUERY_STRING"])]
        failure = SCRIPT.begin(environ["REQUEST_METHOD"], path)
        try:
            if failure.isdigit():
                return failed(start, failure)
            for header in SCRIPT.ignore.split():
                environ.pop(f"HTTP_{header}", None)
            if environ["REQUEST_METHOD"] not in ("PUT", "POST", "DELETE"):
                return moto(environ, start)
            with writing:
                if failure == "lost":
                    list(moto(environ, lambda *_: None))
                    return failed(start, "500")
                return list(moto(environ, start))
        finally:
            SCRIPT.end()

    class Quiet(WSGIRequestHandler):
        protocol_version = "HTTP/1.1"

        def log(self, *_):
            pass

    return make_server("127.0.0.1", 0, app, threaded=True, request_handler=Quiet)


def serve_files(folder: str) -> ThreadingHTTPServer:
    """The files of a folder, with ranges; no listings."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1
        disable_nagle_algorithm = True

        def log_message(self, *_):
            pass

        def do_HEAD(self):
            self.answer(False)

        def do_GET(self):
            self.answer(True)

        def answer(self, body: bool) -> None:
            path, _, query = self.path.partition("?")
            if path == "/__control":
                self.send(200, control(query), body)
                return
            failure = SCRIPT.begin(self.command, path)
            try:
                if failure.isdigit():
                    self.send(int(failure), b"injected", body)
                else:
                    self.file(path, body, failure == "cut")
            finally:
                SCRIPT.end()

        def file(self, path: str, body: bool, cut: bool) -> None:
            try:
                with open(folder + urllib.parse.unquote(path), "rb") as stored:
                    data, date = stored.read(), os.fstat(stored.fileno()).st_mtime
            except OSError:
                self.send(404, b"", body)
                return
            status, headers = 200, {"Last-Modified": self.date_time_string(int(date)), "ETag": f'"{date}"'}
            wanted = self.headers.get("Range")
            if wanted and SCRIPT.ranges:
                low, _, high = wanted.removeprefix("bytes=").partition("-")
                start = int(low) if low else max(len(data) - int(high), 0)
                stop = min(int(high) + 1 if low and high else len(data), len(data))
                if start >= len(data):
                    self.send(416, b"", body)
                    return
                headers["Content-Range"] = f"bytes {start}-{stop - 1}/{len(data)}"
                status, data = 206, data[start:stop]
            self.send(status, data, body, headers, cut)

        def send(self, status: int, data: bytes, body: bool, headers=None, cut: bool = False) -> None:
            self.send_response(status)
            for name, value in (headers or {}).items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            if body:
                self.wfile.write(data[: len(data) // 2] if cut else data)
            if cut:
                self.wfile.flush()
                self.close_connection = True

    class Threads(ThreadingHTTPServer):
        request_queue_size = 256
        daemon_threads = True

    return Threads(("127.0.0.1", 0), Handler)


def main() -> None:
    server = serve_s3() if sys.argv[1] == "s3" else serve_files(sys.argv[2])
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(server.server_port, flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
