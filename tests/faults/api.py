"""A Prefect API for many runs, and a way to cut a run off from it."""

import os
import selectors
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

HOST = "127.0.0.1"


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return probe.getsockname()[1]


@contextmanager
def prefect_server(home: Path) -> Iterator[int]:
    """Run a Prefect server with its own home; gives its port.

    Raises:
        RuntimeError: it does not answer within three minutes.
    """
    home.mkdir(parents=True, exist_ok=True)
    port = free_port()
    command = [str(Path(sys.executable).with_name("prefect")), "server", "start", "--no-ui", "--host", HOST]
    environment = os.environ | {
        "PREFECT_HOME": str(home),
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_LOGGING_SERVER_LEVEL": "CRITICAL",
    }
    environment.pop("PREFECT_API_URL", None)
    with (home / "server.log").open("w") as log:
        server = subprocess.Popen([*command, "--port", str(port)], env=environment, stdout=log, stderr=log)
    try:
        _wait_until_it_answers(server, port, log.name)
        yield port
    finally:
        server.terminate()
        try:
            server.wait(30)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def _wait_until_it_answers(server: subprocess.Popen, port: int, log: str) -> None:
    deadline = time.monotonic() + 180
    while time.monotonic() < deadline and server.poll() is None:
        with suppress(OSError), urllib.request.urlopen(f"http://{HOST}:{port}/api/health", timeout=5):
            return
        time.sleep(0.5)
    raise RuntimeError(f"Prefect's server does not answer; see {log}.")


class Line:
    """A line to a server that can be cut and mended: a port that passes bytes on, both ways."""

    def __init__(self, server_port: int) -> None:
        """Listen on a port of its own."""
        self.port = free_port()
        self._server_port = server_port
        self._listener: socket.socket | None = None
        self._open: list[socket.socket] = []
        self.mend()

    @property
    def url(self) -> str:
        """What PREFECT_API_URL is set to."""
        return f"http://{HOST}:{self.port}/api"

    def mend(self) -> None:
        """Let new connections through."""
        self._listener = socket.create_server((HOST, self.port))
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def cut(self) -> None:
        """Refuse new connections and break those that are open."""
        if self._listener is not None:
            # A thread that waits in accept() keeps the port open until it is woken.
            with suppress(OSError):
                self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
            self._listener = None
        for connection in self._open:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self._open.clear()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                caller, _ = listener.accept()
            except OSError:
                return
            with suppress(OSError):
                server = socket.create_connection((HOST, self._server_port))
                self._open += [caller, server]
                threading.Thread(target=_pass_on, args=(caller, server), daemon=True).start()


def _pass_on(one: socket.socket, other: socket.socket) -> None:
    with one, other, selectors.DefaultSelector() as waiting, suppress(OSError):
        waiting.register(one, selectors.EVENT_READ, other)
        waiting.register(other, selectors.EVENT_READ, one)
        while True:
            for key, _ in waiting.select():
                data = key.fileobj.recv(65536)
                if not data:
                    return
                key.data.sendall(data)
