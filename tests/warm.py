"""Warm programs: the real ones, forked from a process that has their imports behind it.

Long tests run hundreds of steps, most of whose time goes into importing torch, Snakemake and DVC.
`warm_programs` puts programs into a folder that hand their arguments, environment, working directory and
standard streams to a server, which forks; the child runs the command line as ever. Nothing else differs.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib import import_module
from pathlib import Path

PROGRAMS = {"driftloop": "driftloop.cli", "snakemake": "snakemake.cli", "dvc": "dvc.cli"}
"""Their names, and the modules whose `main` they call."""

_CLIENT = """#!{python} -SE
import json, os, socket, sys
with socket.socket(socket.AF_UNIX) as server:
    server.connect({address!r})
    told = json.dumps([{name!r}, os.getcwd(), dict(os.environ), sys.argv]).encode()
    socket.send_fds(server, [len(told).to_bytes(4, "big")], [0, 1, 2])
    server.sendall(told)
    sys.exit(server.recv(1)[0])
"""


@contextmanager
def warm_programs(folder: Path) -> Iterator[Path]:
    """Serve until the block ends; yield a folder with the programs, to put at the front of PATH."""
    address = str(folder / "socket")
    for name in PROGRAMS:
        program = folder / name
        program.write_text(_CLIENT.format(python=sys.executable, address=address, name=name))
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
    server = subprocess.Popen(
        [sys.executable, __file__, str(folder)], stdout=subprocess.PIPE, start_new_session=True
    )
    with server:
        assert server.stdout
        server.stdout.read(1)  # it is ready
        (folder / "server").write_text(str(server.pid))
        try:
            yield folder
        finally:
            server.terminate()


def kill_warm(folder: Path) -> None:
    """Kill -9 all that runs warm: it belongs to the server, not to whoever asked for it."""
    server = int((folder / "server").read_text())
    for child in Path(f"/proc/{server}/task/{server}/children").read_text().split():
        with suppress(ProcessLookupError):
            os.kill(int(child), signal.SIGKILL)


def _serve(folder: Path) -> None:
    """Fork for every caller, with all modules loaded that any caller has needed so far."""
    with socket.socket(socket.AF_UNIX) as listener, (folder / "needed").open("w+") as needed:
        listener.bind(str(folder / "socket"))
        listener.listen(64)
        for module in PROGRAMS.values():
            import_module(module)
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        os.write(1, b".")
        while True:
            caller, _ = listener.accept()
            for name in needed:
                with suppress(Exception):  # not everything can be loaded by itself
                    import_module(name.rstrip())
            if os.fork() == 0:
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                listener.close()
                loaded = {*sys.modules}
                status = _answer(caller)
                with (folder / "needed").open("a") as more:
                    more.write("".join(f"{name}\n" for name in sys.modules if name not in loaded))
                caller.send(bytes([status]))
                os._exit(status)
            caller.close()


def _answer(caller: socket.socket) -> int:
    length, streams, _, _ = socket.recv_fds(caller, 4, 3)
    with caller.makefile("rb") as heard:
        name, cwd, environment, arguments = json.loads(heard.read(int.from_bytes(length, "big")))
    for target, source in enumerate(streams):
        os.dup2(source, target)
        os.close(source)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(cwd)
    sys.argv = arguments
    if "torch" in sys.modules and (threads := environment.get("OMP_NUM_THREADS")):
        sys.modules["torch"].set_num_threads(int(threads))  # which it would have read when it was loaded
    status = 1
    try:
        status = int(sys.modules[PROGRAMS[name]].main(arguments[1:]) or 0)
    except SystemExit as end:
        status = int(end.code or 0)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
    return status


if __name__ == "__main__":
    _serve(Path(sys.argv[1]))
