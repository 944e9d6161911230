"""One workerd process that runs one Worker version: started, watched, restarted when it dies, drained, stopped."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import json
import os
import signal
import sys
import tempfile
import time
from asyncio.subprocess import DEVNULL, PIPE, STDOUT, Process
from collections.abc import AsyncGenerator, Callable, Generator
from pathlib import Path

import httpx

from portcullis.sandbox.cloudflare.edge.config import CONTROL_SOCKET, OBJECTS, WORKER_SOCKET, RunnableVersion
from portcullis.sandbox.cloudflare.edge.console import Console, redact
from portcullis.sandbox.cloudflare.edge.errors import EdgeError, EdgeRejected
from portcullis.sandbox.store import JsonObject

START_SECONDS = 30.0
"""Long enough for a busy machine; Cloudflare gives a Worker's top level one second of CPU."""

FIRST_BACKOFF_SECONDS = 0.1
LAST_BACKOFF_SECONDS = 10.0
STEADY_SECONDS = 60.0
"""A process that ran this long before it died is restarted without more delay than the first time."""

MAX_LINE_BYTES = 256 * 1024
MAX_WORDS = 20

_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None


class WorkerdProcess:
    """A Worker version that runs. `lease()` counts the requests in it, so that it is stopped when there are none."""

    def __init__(self, binary: Path, version: RunnableVersion, work_dir: Path, console: Console) -> None:
        """Prepare; `work_dir` holds the configuration for as long as workerd reads it, and never a secret."""
        self._binary = binary
        self._version = version
        self._work_dir = work_dir
        self._console = console
        self._secrets = tuple(version.environment.values())
        self._home: tempfile.TemporaryDirectory[str] | None = None
        self._process: Process | None = None
        self._output: asyncio.Task[None] | None = None
        self._supervisor: asyncio.Task[None] | None = None
        self._ports: dict[str, int] = {}
        self._words: list[str] = []
        self._ready = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._leases = 0

    @property
    def pid(self) -> int | None:
        """The process id, `None` before the start."""
        return self._process.pid if self._process else None

    @property
    def url(self) -> str:
        """Base URL of the Worker's own socket, which takes requests in proxy style (RFC 9112 §3.2.2)."""
        return f"http://127.0.0.1:{self._ports[WORKER_SOCKET]}"

    async def start(self) -> None:
        """Start and wait until it answers; raises `EdgeRejected` with workerd's words where the version cannot run."""
        await self._launch()
        self._supervisor = asyncio.create_task(self._supervise())

    async def wait_ready(self, seconds: float) -> bool:
        """Wait until it answers, at most so long; tell whether it does."""
        try:
            await asyncio.wait_for(self._ready.wait(), seconds)
        except TimeoutError:
            return False
        return True

    @contextlib.contextmanager
    def lease(self) -> Generator[WorkerdProcess]:
        """Hold the process for one request."""
        self._leases += 1
        self._idle.clear()
        try:
            yield self
        finally:
            self._leases -= 1
            if self._leases == 0:
                self._idle.set()

    async def trigger_scheduled(self, cron: str, seconds: float) -> JsonObject:
        """Run the Worker's `scheduled` handler; return workerd's `{outcome, noRetry}`."""
        with self.lease():
            async with httpx.AsyncClient(trust_env=False, timeout=None) as client:  # noqa: S113 - a cron may run 15 min
                answer = await client.post(
                    f"http://127.0.0.1:{self._ports[CONTROL_SOCKET]}/scheduled",
                    json={"cron": cron, "time": round(seconds * 1000)},
                )
        if not answer.is_success:
            raise EdgeError(f"workerd answered {answer.status_code} to a scheduled event")
        return answer.json()

    async def drained(self, seconds: float) -> None:
        """Wait until no request is in it, at most so long."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._idle.wait(), seconds)

    async def stop(self, grace_seconds: float) -> None:
        """Ask it to end, and kill it if it has not after so long."""
        self._ready.clear()
        if self._supervisor is not None:
            self._supervisor.cancel()
            await asyncio.gather(self._supervisor, return_exceptions=True)
        await self._end(grace_seconds)
        if self._home is not None:
            self._home.cleanup()
            self._home = None

    async def _launch(self) -> None:
        self._words = []
        try:
            self._ports = await asyncio.wait_for(self._spawn(), START_SECONDS)
            await self._probe()
        except TimeoutError:
            await self._end(0)
            raise EdgeRejected(f"the Worker did not start in {START_SECONDS:.0f} s: does its top level end?") from None
        except BaseException:
            await self._end(0)
            raise
        self._ready.set()

    async def _spawn(self) -> dict[str, int]:
        """Start the process and return its ports, which it tells once every Worker in it has started."""
        self._work_dir.mkdir(parents=True, exist_ok=True)
        if self._home is None:
            # Durable Objects are kept there: for as long as the version runs, a restart after a crash included.
            self._home = tempfile.TemporaryDirectory(dir=self._work_dir)
            (Path(self._home.name) / OBJECTS).mkdir()
        # The folder is the owner's alone (0700), and goes once workerd has read it.
        with tempfile.TemporaryDirectory(dir=self._work_dir.resolve()) as folder:
            _write(Path(folder), self._version)
            async with _control_pipe() as (reader, descriptor):
                try:
                    self._process = await self._execute(Path(folder) / "config.capnp", descriptor)
                finally:
                    os.close(descriptor)
                assert self._process.stdout is not None
                self._output = asyncio.create_task(self._read_output(self._process.stdout))
                ports = await _read_ports(reader)
        if len(ports) == len((WORKER_SOCKET, CONTROL_SOCKET)):
            return ports
        await self._process.wait()
        await self._output
        raise EdgeRejected(self._last_words(folder))

    async def _execute(self, config: Path, control: int) -> Process:
        try:
            return await asyncio.create_subprocess_exec(
                str(self._binary),
                "serve",
                "--experimental",  # the control Worker's `service_binding_extra_handlers` needs it
                f"--control-fd={control}",
                str(config),
                stdin=DEVNULL,
                stdout=PIPE,
                stderr=STDOUT,
                cwd=self._home.name if self._home else None,
                env=dict(self._version.environment),
                pass_fds=(control,),
                start_new_session=True,  # an interrupt from the terminal is the sandbox's to handle
                preexec_fn=_die_with(os.getpid()),
            )
        except OSError as problem:
            raise EdgeError(f"cannot run {self._binary}: {problem.strerror}; run `npm ci` in worker/") from None

    async def _probe(self) -> None:
        async with httpx.AsyncClient(trust_env=False, timeout=START_SECONDS) as client:
            answer = await client.get(f"http://127.0.0.1:{self._ports[CONTROL_SOCKET]}/ready")
        if not answer.is_success:
            raise EdgeError(f"workerd answered {answer.status_code} when asked whether it is ready")

    async def _supervise(self) -> None:
        delay = FIRST_BACKOFF_SECONDS
        while True:
            started = time.monotonic()
            assert self._process is not None
            code = await self._process.wait()
            self._ready.clear()
            if time.monotonic() - started > STEADY_SECONDS:
                delay = FIRST_BACKOFF_SECONDS
            while not self._ready.is_set():
                self._note(f"workerd ended with {code}; it is restarted in {delay:.1f} s")
                await asyncio.sleep(delay)
                delay = min(delay * 2, LAST_BACKOFF_SECONDS)
                try:
                    await self._launch()
                except (EdgeRejected, EdgeError, httpx.HTTPError) as problem:
                    self._note(str(problem))

    async def _end(self, grace_seconds: float) -> None:
        if self._process is not None and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.terminate() if grace_seconds > 0 else self._process.kill()
            try:
                await asyncio.wait_for(self._process.wait(), grace_seconds or None)
            except TimeoutError:
                with contextlib.suppress(ProcessLookupError):
                    self._process.kill()
                await self._process.wait()
        if self._output is not None:
            await asyncio.gather(self._output, return_exceptions=True)

    async def _read_output(self, stream: asyncio.StreamReader) -> None:
        rest = b""
        while chunk := await stream.read(MAX_LINE_BYTES):
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                self._take(line)
            if len(rest) > MAX_LINE_BYTES:
                self._take(rest[:MAX_LINE_BYTES])
                rest = b""
        if rest:
            self._take(rest)

    def _take(self, line: bytes) -> None:
        entry = self._console.take(self._version.name, line[:MAX_LINE_BYTES], self._secrets)
        if entry.of_runtime and not self._ready.is_set() and len(self._words) < MAX_WORDS:
            self._words.append(entry.message)

    def _last_words(self, folder: str) -> str:
        words = "\n".join(word.removeprefix("service worker: ") for word in self._words)
        code = self._process.returncode if self._process else None
        return words.replace(f"{folder}/", "") or f"workerd ended with {code} and said nothing"

    def _note(self, text: str) -> None:
        self._console.note(self._version.name, redact(text, self._secrets))


def _write(folder: Path, version: RunnableVersion) -> None:
    for name, content in (*version.files.items(), ("config.capnp", version.config.encode())):
        path = folder / name
        path.touch(mode=0o600)
        path.write_bytes(content)


@contextlib.asynccontextmanager
async def _control_pipe() -> AsyncGenerator[tuple[asyncio.StreamReader, int]]:
    """Yield a reader, and the descriptor to write to, which the caller closes once workerd has it."""
    read_end, write_end = os.pipe()
    reader = asyncio.StreamReader()
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(read_end, "rb", buffering=0)
    )
    try:
        yield reader, write_end
    finally:
        transport.close()


async def _read_ports(reader: asyncio.StreamReader) -> dict[str, int]:
    """Return port by socket: all of them, or fewer where workerd closed the pipe without having started."""
    ports: dict[str, int] = {}
    while len(ports) < len((WORKER_SOCKET, CONTROL_SOCKET)):
        line = await reader.readline()
        if not line:
            break
        message = json.loads(line)
        if message.get("event") == "listen":
            ports[message["socket"]] = message["port"]
    return ports


def _die_with(parent: int) -> Callable[[], None] | None:
    """Return what makes a child process end when the sandbox does, even by SIGKILL; Linux only."""
    if _LIBC is None:
        return None
    prctl = _LIBC.prctl

    def before_exec() -> None:
        # Nothing is imported or allocated here beyond this call: the child is a fork of a process with threads.
        prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)

    return before_exec
