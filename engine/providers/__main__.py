"""`python -m engine.providers cloudflare|gcp [FLAGS] [ENGINE_ADDRESS]`: serve one cloud's resources to the engine.

Prints the port it listens on (127.0.0.1 only) as its first line. Ends on SIGINT or SIGTERM, quietly, and when the
engine goes away.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
from concurrent import futures

import grpc
from pulumi.runtime.proto import provider_pb2_grpc

from engine.providers.plugin import Provider
from engine.providers.tables import Cloud
from engine.watch import wait_for_the_end_of

# A resource's properties may be large (the engine's own limit is the same).
_GRPC_OPTIONS = [("grpc.max_receive_message_length", 400 * 1024 * 1024)]
# The engine works on as many resources at once as the machine has cores four times over; each waits on the network.
_THREADS = 64
_STOP_SECONDS = 3.0  # the engine kills us 5 s after asking us to end


def cloud_named(name: str) -> Cloud:
    """Return the table of a cloud; importing one does not load the other."""
    if name == "gcp":
        from engine.providers.gcp import GCP

        return GCP
    from engine.providers.cloudflare import CLOUDFLARE

    return CLOUDFLARE


def serve(cloud: Cloud, engine_address: str) -> None:
    """Serve until told to end or until the engine is gone; prints the port first."""
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=_THREADS), options=_GRPC_OPTIONS)
    provider_pb2_grpc.add_ResourceProviderServicer_to_server(Provider(cloud), server)
    port = server.add_insecure_port("127.0.0.1:0")
    end = threading.Event()

    def told_to_end(_number: int, _frame: object) -> None:
        end.set()

    signal.signal(signal.SIGINT, told_to_end)
    signal.signal(signal.SIGTERM, told_to_end)
    server.start()
    print(port, flush=True)
    if engine_address:
        threading.Thread(target=wait_for_the_end_of, args=(engine_address, end), daemon=True).start()
    end.wait()
    server.stop(grace=0).wait(_STOP_SECONDS)
    sys.stdout.flush()
    # Not `sys.exit`: a request under way would keep the process alive.
    os._exit(0)


def main() -> None:
    """Parse the engine's command line and serve."""
    parser = argparse.ArgumentParser(prog="python -m engine.providers", description=__doc__)
    parser.add_argument("cloud", choices=("cloudflare", "gcp"))
    parser.add_argument("engine_address", nargs="?", default="")
    parser.add_argument("--tracing", default="")
    # The engine's logging flags; we have no log of our own to turn up.
    parser.add_argument("--logtostderr", action="store_true")
    parser.add_argument("--logflow", action="store_true")
    parser.add_argument("-v", "--verbose", type=int, default=0)
    # The engine puts its flags between the two, which a plain parse would take for the end of the arguments.
    arguments, _ = parser.parse_known_intermixed_args()
    serve(cloud_named(arguments.cloud), arguments.engine_address)


if __name__ == "__main__":
    main()
