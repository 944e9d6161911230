"""The Python language host: `python -m engine.language_host [--tracing ENDPOINT] [ENGINE_ADDRESS]`.

The Pulumi engine starts it to run programs, policy packs and plugins written in Python, and talks to it by the gRPC
service `pulumirpc.LanguageRuntime` (pulumi/pulumi, proto/pulumi/language.proto). It prints the port it listens on
(127.0.0.1 only) as its first line; everything printed later becomes a diagnostic of the run. It ends on SIGINT or
SIGTERM, and when the engine goes away, and takes the programs it started with it.

Not offered, and answered UNIMPLEMENTED as the protocol has it: generating code (`pulumi convert`, `package add`) and
packing SDKs. Attaching a debugger is refused with an error.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
from collections.abc import Iterator
from concurrent import futures
from pathlib import Path
from typing import Any, NoReturn

import grpc
from google.protobuf import empty_pb2, json_format
from pulumi.runtime.proto import language_pb2, language_pb2_grpc, plugin_pb2

from engine.host.children import Children
from engine.host.dependencies import install_commands
from engine.host.interpreter import Interpreter, InterpreterError, Options, resolve, toolchain_of
from engine.host.packages import Inventory, InventoryError, Package, Parameterization, inventory
from engine.host.plugin_run import Output, PluginError, environment_of, plugin_command, start_plugin, stream
from engine.host.policy_proxy import PolicyProxy
from engine.host.program import run_program
from engine.watch import wait_for_the_end_of

# A resource's properties may be large (the engine's own limit is the same).
_GRPC_OPTIONS = [("grpc.max_receive_message_length", 400 * 1024 * 1024)]
# Each running program or plugin holds a thread for as long as it runs.
_THREADS = 64
_STOP_SECONDS = 3.0  # the engine kills us 5 s after asking us to end


class LanguageHost(language_pb2_grpc.LanguageRuntimeServicer):
    """Answers the engine's calls. `engine_address` is `host:port`, empty when there is none to report to."""

    def __init__(self, engine_address: str = "", tracing: str = "") -> None:
        self._engine_address = engine_address
        self._tracing = tracing
        self.children = Children()

    def Handshake(self, request: language_pb2.LanguageHandshakeRequest, context: grpc.ServicerContext) -> Any:  # noqa: N802
        """Take the engine's address when the engine attaches to a host it did not start."""
        self._engine_address = request.engine_address
        return language_pb2.LanguageHandshakeResponse()

    def GetPluginInfo(self, request: empty_pb2.Empty, context: grpc.ServicerContext) -> Any:  # noqa: N802
        """Our version: none, since we belong to a checkout and not to a release of Pulumi."""
        return plugin_pb2.PluginInfo()

    def GetRequiredPackages(  # noqa: N802
        self, request: language_pb2.GetRequiredPackagesRequest, context: grpc.ServicerContext
    ) -> Any:
        """The provider plugins that the project's installed Pulumi packages need."""
        found = _inventory(request.info, context)
        return language_pb2.GetRequiredPackagesResponse(packages=[_dependency(p) for p in found.packages])

    def Run(self, request: language_pb2.RunRequest, context: grpc.ServicerContext) -> Any:  # noqa: N802
        """Run a program to its end."""
        if request.attach_debugger:
            return language_pb2.RunResponse(error=_NO_DEBUGGER)
        options = _options(request.info)
        try:
            interpreter = resolve(Path(request.info.root_directory), options, os.environ)
            outcome = run_program(request, interpreter, options, self._engine_address, self._tracing, self.children)
        except (InterpreterError, OSError) as problem:
            return language_pb2.RunResponse(error=str(problem))
        return language_pb2.RunResponse(error=outcome.error, bail=outcome.bail)

    def InstallDependencies(  # noqa: N802
        self, request: language_pb2.InstallDependenciesRequest, context: grpc.ServicerContext
    ) -> Iterator[language_pb2.InstallDependenciesResponse]:
        """Install what the project needs, showing the installer's output."""
        root = Path(request.info.root_directory or request.directory)
        options = _options(request.info)
        try:
            if request.is_plugin and not options.virtualenv and toolchain_of(root, options) == "pip":
                options = Options("venv", options.toolchain)  # a plugin never installs into the Python on PATH
            commands = install_commands(root, options, os.environ)
            for command in commands:
                yield language_pb2.InstallDependenciesResponse(stdout=f"{' '.join(command)}\n".encode())
                child = start_plugin(command, self.children, Interpreter(Path(command[0])), root, os.environ)
                for piece in stream(child, self.children):
                    if isinstance(piece, Output):
                        where = {"stderr" if piece.error else "stdout": piece.data}
                        yield language_pb2.InstallDependenciesResponse(**where)
                    elif piece != 0:
                        _fail(context, f"`{' '.join(command)}` failed with status {piece}")
        except (InterpreterError, PluginError) as problem:
            _fail(context, str(problem))

    def RunPlugin(  # noqa: N802
        self, request: language_pb2.RunPluginRequest, context: grpc.ServicerContext
    ) -> Iterator[language_pb2.RunPluginResponse]:
        """Run a plugin or a policy pack, passing on what it writes."""
        if request.attach_debugger:
            _fail(context, _NO_DEBUGGER)
        try:
            interpreter = resolve(Path(request.info.root_directory), _plugin_options(request), os.environ)
            for piece in self._plugin_output(request, interpreter, context):
                yield _plugin_response(piece)
        except (InterpreterError, PluginError) as problem:
            _fail(context, str(problem))

    def _plugin_output(
        self, request: language_pb2.RunPluginRequest, interpreter: Interpreter, context: grpc.ServicerContext
    ) -> Iterator[Output | int]:
        program = Path(request.info.program_directory)
        environment = environment_of(list(request.env)) or dict(os.environ)
        arguments = list(request.args)
        if request.kind == "analyzer":
            command = [str(interpreter.python), "-u", "-m", "pulumi.policy", *arguments, str(program)]
            proxy = PolicyProxy(
                lambda stack: start_plugin(command, self.children, interpreter, program, {**environment, **stack}),
                self.children,
            )
            context.add_callback(proxy.cancel)
            yield from proxy.run()
            return
        command = plugin_command(interpreter, program, arguments)
        child = start_plugin(command, self.children, interpreter, Path(request.pwd), environment)
        # The engine ends a plugin by cancelling this call.
        context.add_callback(lambda: self.children.stop(child))
        yield from stream(child, self.children)

    def About(self, request: language_pb2.AboutRequest, context: grpc.ServicerContext) -> Any:  # noqa: N802
        """Which Python runs the project (`pulumi about`)."""
        interpreter = _interpreter(request.info, context)
        child = start_plugin(
            [str(interpreter.python), "-c", "import platform; print(platform.python_version())"],
            self.children,
            interpreter,
            Path(request.info.root_directory or "."),
            os.environ,
        )
        written = b"".join(p.data for p in stream(child, self.children) if isinstance(p, Output) and not p.error)
        return language_pb2.AboutResponse(executable=str(interpreter.python), version=written.decode().strip())

    def GetProgramDependencies(  # noqa: N802
        self, request: language_pb2.GetProgramDependenciesRequest, context: grpc.ServicerContext
    ) -> Any:
        """What is installed for the project: all of it, or only what nothing else installed requires."""
        installed = _inventory(request.info, context).distributions
        return language_pb2.GetProgramDependenciesResponse(
            dependencies=[
                language_pb2.DependencyInfo(name=d.name, version=d.version)
                for d in installed
                if request.transitiveDependencies or not d.required
            ]
        )

    def RuntimeOptionsPrompts(  # noqa: N802
        self, request: language_pb2.RuntimeOptionsRequest, context: grpc.ServicerContext
    ) -> Any:
        """Nothing to ask the user in `pulumi new`."""
        return language_pb2.RuntimeOptionsResponse()

    def Template(self, request: language_pb2.TemplateRequest, context: grpc.ServicerContext) -> Any:  # noqa: N802
        """Nothing to change in a project that `pulumi new` just made."""
        return language_pb2.TemplateResponse()

    def GenerateProgram(  # noqa: N802
        self, request: language_pb2.GenerateProgramRequest, context: grpc.ServicerContext
    ) -> Any:
        """Refuse, in words: `pulumi import` asks for code after it has imported."""
        context.abort(
            grpc.StatusCode.UNIMPLEMENTED,
            "this language host generates no code; the import is done all the same (see `--generate-code=false`)",
        )

    def Cancel(self, request: empty_pb2.Empty, context: grpc.ServicerContext) -> Any:  # noqa: N802
        """End every running program (the user pressed Ctrl-C)."""
        self.children.stop_all()
        return empty_pb2.Empty()


_NO_DEBUGGER = (
    "attaching a debugger is not supported by this language host: run without it, or install Pulumi's own release"
)


def serve(engine_address: str, tracing: str) -> None:
    """Serve until told to end or until the engine is gone; prints the port first."""
    host = LanguageHost(engine_address, tracing)
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=_THREADS), options=_GRPC_OPTIONS)
    language_pb2_grpc.add_LanguageRuntimeServicer_to_server(host, server)
    port = server.add_insecure_port("127.0.0.1:0")
    end = threading.Event()

    def told_to_end(number: int, frame: object) -> None:
        end.set()

    signal.signal(signal.SIGINT, told_to_end)
    signal.signal(signal.SIGTERM, told_to_end)
    server.start()
    print(port, flush=True)
    if engine_address:
        threading.Thread(target=wait_for_the_end_of, args=(engine_address, end), daemon=True).start()
    end.wait()
    host.children.close()
    server.stop(0).wait(_STOP_SECONDS)
    sys.stdout.flush()
    # Not `sys.exit`: a thread that still waits for a child would keep the process alive.
    os._exit(0)


def _options(info: language_pb2.ProgramInfo) -> Options:
    given = json_format.MessageToDict(info.options)
    return Options(*(str(given.get(name) or "") for name in ("virtualenv", "toolchain", "typechecker")))


def _plugin_options(request: language_pb2.RunPluginRequest) -> Options:
    options = _options(request.info)
    if request.kind == "analyzer" or options.virtualenv or options.toolchain not in ("", "pip"):
        return options
    # A plugin's own environment is `venv` beside it, where there is one (`pulumi install` makes it).
    default = Path(request.info.root_directory) / "venv"
    return Options("venv", options.toolchain) if default.is_dir() else options


def _interpreter(info: language_pb2.ProgramInfo, context: grpc.ServicerContext) -> Interpreter:
    try:
        return resolve(Path(info.root_directory), _options(info), os.environ)
    except InterpreterError as problem:
        _fail(context, str(problem))


def _inventory(info: language_pb2.ProgramInfo, context: grpc.ServicerContext) -> Inventory:
    try:
        return inventory(_interpreter(info, context), Path(info.root_directory), os.environ)
    except (InventoryError, OSError) as problem:
        _fail(context, str(problem))


def _fail(context: grpc.ServicerContext, problem: str) -> NoReturn:
    context.abort(grpc.StatusCode.FAILED_PRECONDITION, problem)
    raise AssertionError("unreachable: abort raises")


def _dependency(package: Package) -> plugin_pb2.PackageDependency:
    return plugin_pb2.PackageDependency(
        name=package.name,
        kind="resource",
        version=f"v{package.version}" if package.version else "",
        server=package.server,
        parameterization=_parameters(package.parameterization),
        extension=_parameters(package.extension),
    )


def _parameters(found: Parameterization | None) -> plugin_pb2.PackageParameterization | None:
    if found is None:
        return None
    return plugin_pb2.PackageParameterization(name=found.name, version=found.version, value=found.value)


def _plugin_response(piece: Output | int) -> language_pb2.RunPluginResponse:
    if isinstance(piece, int):
        return language_pb2.RunPluginResponse(exitcode=piece)
    if piece.error:
        return language_pb2.RunPluginResponse(stderr=piece.data)
    return language_pb2.RunPluginResponse(stdout=piece.data)


def main() -> None:
    """Parse the engine's command line and serve."""
    parser = argparse.ArgumentParser(description="Pulumi language host for Python.")
    parser.add_argument("engine_address", nargs="?", default="")
    parser.add_argument("--tracing", default="")
    # The engine's logging flags; we have no log of our own to turn up.
    parser.add_argument("--logtostderr", action="store_true")
    parser.add_argument("--logflow", action="store_true")
    parser.add_argument("-v", "--verbose", type=int, default=0)
    arguments, _ = parser.parse_known_args()
    serve(arguments.engine_address, arguments.tracing)


if __name__ == "__main__":
    main()
