"""A local HTTP server of files that fails in many ways, and tables of published files that name it."""

import contextlib
import hashlib
import http.server
import shutil
import threading
from pathlib import Path

import harness


class Server(http.server.ThreadingHTTPServer):
    """Serves `files`; `behave` maps a name to the responses to its next requests: "cut" (half of the content, then
    closed), "busy" (503), "norange" (ignores the range), "page" (a web page), "wrong" (wrong content), "slow"
    (a third, then nothing until `go_on` is set) or a status. `sizes` says whether it answers HEAD."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.files, self.behave, self.requests, self.sizes = {}, {}, [], True
        self.go_on = threading.Event()
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()  # looks every 10 ms whether to end

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_address[1]}"


class Handler(http.server.BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def do_HEAD(self):
        name = self.path.split("?")[0].rsplit("/", 1)[-1]
        if not self.server.sizes or name not in self.server.files:
            return self.send_error(404)
        self.send_response(200)
        self.send_header("Content-Length", str(len(self.server.files[name])))
        self.end_headers()

    def do_GET(self):
        # A proxy receives the whole URL.
        name = self.path.split("?")[0].rsplit("/", 1)[-1]
        self.server.requests.append((self.path, self.headers.get("Range")))
        plan = self.server.behave.get(name, [])
        what = plan.pop(0) if plan else "whole"
        if name not in self.server.files:
            what = 404
        if what == "busy":
            what = 503
        if isinstance(what, int):
            return self.send_error(what)
        if what == "page":
            return self.send_bytes(b"\n<!DOCTYPE html><html>Please log in</html>", 200)
        content = self.server.files[name]
        if what == "wrong":
            content = content[:-1] + bytes([content[-1] ^ 1])
        first = 0
        if self.headers.get("Range") and what != "norange":
            first = int(self.headers["Range"].removeprefix("bytes=").split("-")[0])
            if first >= len(content):
                return self.send_error(416)
        self.send_bytes(content, 206 if first else 200, first, what)

    def send_bytes(self, content, status, first=0, what="whole"):
        self.send_response(status)
        self.send_header("Content-Length", str(len(content) - first))
        if status == 206:
            self.send_header("Content-Range", f"bytes {first}-{len(content) - 1}/{len(content)}")
        self.end_headers()
        body = content[first:]
        with contextlib.suppress(OSError):  # the client may have closed it
            if what == "cut":
                self.wfile.write(body[: len(body) // 2])
                self.close_connection = True
            elif what == "slow":
                self.wfile.write(body[: len(body) // 3])
                self.wfile.flush()
                self.server.go_on.wait()
            else:
                self.wfile.write(body)


def start(test) -> Server:
    """One that ends with `test`, a test case or class."""
    server = Server()
    clean_up = test.addClassCleanup if isinstance(test, type) else test.addCleanup
    for end in (server.server_close, server.shutdown, server.go_on.set):
        clean_up(end)
    return server


def row(server: Server, group: str, name: str, size: int | None = None, **sums: str) -> str:
    """Of a table of published files."""
    content = server.files[name]
    sha256 = sums.get(name, hashlib.sha256(content).hexdigest())
    return f"{group}\t{name}\t{sha256}\t{server.url}/{name}?download=1\t{size or len(content)}\n"


def write_table(file: Path, *rows: str) -> Path:
    file.write_text("set\tfile\tsha256\turl\n" + "".join(rows))
    return file


def network_table(server: Server, task: str, file: Path) -> Path:
    """Of the network that is served."""
    return write_table(file, *(row(server, f"{task}-network", name) for name in ("args.json", "best-val-model.pt")))


def serve_network(server: Server, run: Path, scratch: Path):
    """Serves the network of an experiment as published ones are: the checkpoint does not say what it computes."""
    checkpoint = scratch / "published.pt"
    shutil.copy(run / "best-val-model.pt", checkpoint)
    harness.without_description(checkpoint)
    server.files["args.json"] = (run / "args.json").read_bytes()
    server.files["best-val-model.pt"] = checkpoint.read_bytes()
