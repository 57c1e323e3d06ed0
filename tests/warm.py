"""A warm `driftloop`: the real program, forked from a process that has its imports behind it.

Long tests run hundreds of steps, most of whose time goes into importing torch. `warm_driftloop` puts a
`driftloop` into a folder that hands its arguments, working directory and standard streams to a server,
which forks; the child runs the command line as ever. Nothing else differs.
"""

from __future__ import annotations

import os
import signal
import socket
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_CLIENT = """#!{python} -SE
import os, socket, sys
with socket.socket(socket.AF_UNIX) as server:
    server.connect({address!r})
    told = "\\0".join([os.getcwd(), *sys.argv[1:]]).encode()
    socket.send_fds(server, [len(told).to_bytes(4, "big") + told], [0, 1, 2])
    sys.exit(server.recv(1)[0])
"""


@contextmanager
def warm_driftloop(folder: Path) -> Iterator[Path]:
    """Serve until the block ends; yield a folder with a `driftloop` to put at the front of PATH."""
    address, program = str(folder / "socket"), folder / "driftloop"
    program.write_text(_CLIENT.format(python=sys.executable, address=address))
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    ready, told = os.pipe()
    server = os.fork()
    if server == 0:
        os.setsid()
        _serve(address, told)
    os.read(ready, 1)
    try:
        yield folder
    finally:
        os.kill(server, signal.SIGTERM)
        os.waitpid(server, 0)


def _serve(address: str, ready: int) -> None:
    """Load what steps load, once; then fork for every caller."""
    import driftloop.commands.classify
    import driftloop.commands.improve
    import driftloop.improver.gate
    import driftloop.improver.train_filter  # noqa: F401

    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(address)
        listener.listen(64)
        os.write(ready, b".")
        while True:
            caller, _ = listener.accept()
            if os.fork() == 0:
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                os._exit(_answer(caller))
            caller.close()


def _answer(caller: socket.socket) -> int:
    from driftloop.cli import main

    message, streams, _, _ = socket.recv_fds(caller, 1 << 16, 3)
    length = int.from_bytes(message[:4], "big")
    while len(message) < 4 + length:
        message += caller.recv(1 << 16)
    cwd, *arguments = message[4:].decode().split("\0")
    for target, source in enumerate(streams):
        os.dup2(source, target)
    os.chdir(cwd)
    status = 1
    try:
        main(arguments)
    except SystemExit as end:
        status = int(end.code or 0)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        caller.send(bytes([status]))
    return status
