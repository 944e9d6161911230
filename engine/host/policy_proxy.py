"""A stand-in for a policy pack that lets the engine configure the stack before the pack starts.

The engine tells an analyzer about the stack with the call `ConfigureStack`. Packs made with `pulumi_policy` do not
answer it: they expect PULUMI_PROJECT, PULUMI_STACK, PULUMI_ORGANIZATION, PULUMI_DRY_RUN and PULUMI_CONFIG in their
environment. So the engine is given the address of this proxy; the pack starts when the stack is known (or when the
engine calls anything else first, as it does to publish a pack), and every other call is passed on as it is.
"""

from __future__ import annotations

import json
import subprocess
import threading
from collections.abc import Callable, Iterator
from concurrent import futures
from typing import Any

import grpc
from pulumi.runtime.proto import analyzer_pb2

from engine.host.children import Children
from engine.host.plugin_run import Output, stream

_SERVICE = "/pulumirpc.Analyzer/"
_OPTIONS = [("grpc.max_receive_message_length", 400 * 1024 * 1024)]
_PORT_LINE_BYTES = 32
_START_SECONDS = 60.0  # a pack imports the SDK and its rules before it listens

StartPack = Callable[[dict[str, str]], "subprocess.Popen[bytes]"]


class PolicyProxy:
    """Serves one policy pack. `start_pack` is called once, with the variables that describe the stack."""

    def __init__(self, start_pack: StartPack, children: Children) -> None:
        self._start_pack = start_pack
        self._children = children
        self._configured = threading.Event()
        self._cancelled = threading.Event()
        self._ready = threading.Event()
        self._lock = threading.Lock()
        self._stack: dict[str, str] = {}
        self._child: subprocess.Popen[bytes] | None = None
        self._channel: grpc.Channel | None = None
        self._problem = "the policy pack ended before it listened"

    def run(self) -> Iterator[Output | int]:
        """What the engine is to read: our port, then what the pack writes, then its exit status."""
        server = grpc.server(futures.ThreadPoolExecutor(max_workers=16), options=_OPTIONS)
        server.add_generic_rpc_handlers((_Handler(self._answer),))
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        try:
            yield Output(f"{port}\n".encode())
            self._configured.wait()
            if not self._cancelled.is_set():
                yield from self._run_pack()
        finally:
            self._ready.set()
            server.stop(0)
            if self._channel is not None:
                self._channel.close()

    def cancel(self) -> None:
        """End: the engine no longer wants the pack."""
        self._cancelled.set()
        self._configured.set()
        if self._child is not None:
            self._children.stop(self._child)

    def _run_pack(self) -> Iterator[Output | int]:
        child = self._child = self._start_pack(self._stack)
        try:
            if self._cancelled.is_set():  # between the check and the start
                self._children.stop(child)
            first = b""
            for piece in stream(child, self._children):
                if isinstance(piece, Output) and not piece.error and self._channel is None:
                    first += piece.data
                    line, newline, rest = first.partition(b"\n")
                    if newline or len(first) > _PORT_LINE_BYTES:
                        self._connect(line, child)
                        piece = Output(rest)
                    else:
                        continue
                if isinstance(piece, int) or piece.data:
                    yield piece
        finally:
            self._children.stop(child)

    def _connect(self, line: bytes, child: subprocess.Popen[bytes]) -> None:
        port = line.strip()
        if not port.isdigit():
            self._problem = f"the policy pack wrote {line[:_PORT_LINE_BYTES]!r} where its port was expected"
            self._children.stop(child)
        else:
            self._channel = grpc.insecure_channel(f"127.0.0.1:{int(port)}", options=_OPTIONS)
        self._ready.set()

    def _answer(self, method: str, request: bytes, context: grpc.ServicerContext) -> bytes:
        if method == "Handshake":
            return analyzer_pb2.AnalyzerHandshakeResponse().SerializeToString()
        if method == "ConfigureStack":
            self._configure(analyzer_pb2.AnalyzerStackConfigureRequest.FromString(request))
            return analyzer_pb2.AnalyzerStackConfigureResponse().SerializeToString()
        self._configured.set()
        if not self._ready.wait(_START_SECONDS) or self._channel is None:
            context.abort(grpc.StatusCode.INTERNAL, self._problem)
        return self._forward(self._channel, method, request, context)

    def _configure(self, request: analyzer_pb2.AnalyzerStackConfigureRequest) -> None:
        with self._lock:
            if not self._configured.is_set():
                self._stack = stack_variables(request)
                self._configured.set()

    @staticmethod
    def _forward(channel: grpc.Channel, method: str, request: bytes, context: grpc.ServicerContext) -> bytes:
        # Bytes in, bytes out: a call that a later SDK adds passes through as well.
        call = channel.unary_unary(_SERVICE + method, request_serializer=_same, response_deserializer=_same)
        try:
            # No deadline: the engine sets none, and the calls end with the channel when the pack ends.
            return call(request, wait_for_ready=True)
        except grpc.RpcError as problem:
            context.abort(problem.code(), problem.details() or "")
            raise AssertionError("unreachable: abort raises") from problem


class _Handler(grpc.GenericRpcHandler):
    def __init__(self, answer: Callable[[str, bytes, grpc.ServicerContext], bytes]) -> None:
        self._answer = answer

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler[Any, Any] | None:
        method = handler_call_details.method
        if not method.startswith(_SERVICE):
            return None  # gRPC then answers UNIMPLEMENTED; the engine's probe of an empty method wants just that

        def answer(request: bytes, context: grpc.ServicerContext) -> bytes:
            return self._answer(method.removeprefix(_SERVICE), request, context)

        return grpc.unary_unary_rpc_method_handler(answer, request_deserializer=_same, response_serializer=_same)


def stack_variables(request: analyzer_pb2.AnalyzerStackConfigureRequest) -> dict[str, str]:
    """The environment variables by which a pack learns of the stack it looks at."""
    return {
        "PULUMI_PROJECT": request.project,
        "PULUMI_STACK": request.stack,
        "PULUMI_ORGANIZATION": request.organization,
        "PULUMI_DRY_RUN": "true" if request.dry_run else "false",
        "PULUMI_CONFIG": json.dumps(dict(request.config)),
        "PULUMI_CONFIG_SECRET_KEYS": json.dumps(list(request.config_secret_keys)),
    }


def _same(data: bytes) -> bytes:
    return data
