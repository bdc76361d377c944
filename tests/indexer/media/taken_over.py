"""A decoder that an upload took over, and the server that started it: what each attempt gets.

The server holds what is worth taking: a key file, a secret in its memory, a socket. It forks one child for
each attempt, which has two pipes and nothing else of it, as the real decoder has.
"""

import ctypes
import fcntl
import json
import mmap
import os
import resource
import signal
import socket
import struct
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from indexer.media import kernel, landlock, privileges, seccomp
from indexer.media.limits import WorkerLimits
from indexer.media.lockdown import limit_resources, lock_down

SECRET = b"the key that signs the log"
LIBC = ctypes.CDLL(None, use_errno=True)
IS_ARM = kernel.architecture() == "aarch64"
PIDFD_OPEN, PIDFD_GETFD, IO_URING_SETUP = 434, 438, 425
USERFAULTFD, KEYCTL, BPF, PERF_EVENT_OPEN = (282, 219, 280, 241) if IS_ARM else (323, 250, 321, 298)
PTRACE_ATTACH, PTRACE_DETACH = 16, 17
KEYCTL_GET_KEYRING_ID, SESSION_KEYRING = 0, -3
F_SETSIG = 10
NEW_USERS = 0x10000000
ASK_PERSONALITY = 0xFFFFFFFF


@dataclass(frozen=True)
class Server:
    """Where the child would find what it is after."""

    pid: int
    folder: str
    address: int  # of the secret in the server's memory
    listener: int  # the server's number of its socket
    port: int

    @property
    def key_file(self) -> str:
        return f"{self.folder}/key"

    @property
    def abstract_name(self) -> str:
        return f"\0trueprint-{self.pid}"


def checked(result: int) -> int:
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result


def write_server_memory(server: Server) -> int:
    with open(f"/proc/{server.pid}/mem", "r+b", buffering=0) as memory:
        memory.seek(server.address)
        return memory.write(b"X" * len(SECRET))


def vm_call(name: str, server: Server) -> int:
    class Span(ctypes.Structure):
        _fields_ = [("base", ctypes.c_void_p), ("length", ctypes.c_size_t)]

    mine = ctypes.create_string_buffer(b"X" * len(SECRET))
    here, there = Span(ctypes.addressof(mine), len(SECRET)), Span(server.address, len(SECRET))
    one = ctypes.c_ulong(1)
    call = getattr(LIBC, name)
    return checked(call(server.pid, ctypes.byref(here), one, ctypes.byref(there), one, ctypes.c_ulong(0)))


def trace(server: Server) -> int:
    LIBC.ptrace.argtypes = [ctypes.c_long, ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p]
    checked(LIBC.ptrace(PTRACE_ATTACH, server.pid, None, None))
    os.waitpid(server.pid, 0)
    return checked(LIBC.ptrace(PTRACE_DETACH, server.pid, None, None))


def take_socket(server: Server) -> int:
    return kernel.system_call(
        PIDFD_GETFD, kernel.system_call(PIDFD_OPEN, server.pid, 0), server.listener, 0
    )


def connect(server: Server) -> None:
    with socket.socket() as made:
        made.settimeout(5)
        made.connect(("127.0.0.1", server.port))


def connect_by_name(server: Server) -> None:
    with socket.socket(socket.AF_UNIX) as made:
        made.connect(server.abstract_name)


def fork(_: Server) -> int:
    child = os.fork()
    if child == 0:
        os._exit(0)
    return os.waitpid(child, 0)[0]


def signal_by_pipe(server: Server) -> None:
    """Has the kernel send the server SIGKILL when its pipe can be read."""
    fcntl.fcntl(0, fcntl.F_SETOWN, server.pid)
    fcntl.fcntl(0, F_SETSIG, signal.SIGCONT)
    fcntl.fcntl(0, fcntl.F_SETFL, os.O_ASYNC)


def with_struct(content: bytes, call: Callable[[int], int]) -> int:
    """Calls with the address of a struct that begins with `content`, the rest of it zeros."""
    room = ctypes.create_string_buffer(content, 256)
    return call(ctypes.addressof(room))


def io_uring(_: Server) -> int:
    return with_struct(b"", lambda at: kernel.system_call(IO_URING_SETUP, 1, at))


def bpf(_: Server) -> int:
    one_cell = struct.pack("=4I", 2, 4, 4, 1)  # an array, of keys and values of 4 bytes
    return with_struct(one_cell, lambda at: kernel.system_call(BPF, 0, at, 72))


def perf_event(_: Server) -> int:
    clock = struct.pack("=2IQ", 1, 112, 0)  # of software, as long as the struct, the processor's time
    return with_struct(clock, lambda at: kernel.system_call(PERF_EVENT_OPEN, at, 0, -1, -1, 0))


def raise_own_limits(_: Server) -> None:
    resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))


def limit_server(server: Server) -> None:
    resource.prlimit(server.pid, resource.RLIMIT_CORE, (0, 0))


def code_in_memory(_: Server) -> bool:
    return bool(mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC))


def load_library(_: Server) -> bool:
    return bool(ctypes.CDLL("libanl.so.1"))


def write_file(server: Server) -> int:
    return Path(server.folder, "left").write_text("x")


ATTEMPTS: dict[str, Callable[[Server], object]] = {
    "read a key file": lambda server: Path(server.key_file).read_bytes(),
    "read the passwords": lambda _: Path("/etc/shadow").read_bytes(),
    "list a folder": lambda server: os.listdir(server.folder),
    "ask about a file": lambda server: os.stat(server.key_file),
    "write a file": write_file,
    "write the server's memory": write_server_memory,
    "write the server's memory by process_vm_writev": lambda server: vm_call("process_vm_writev", server),
    "read the server's memory by process_vm_readv": lambda server: vm_call("process_vm_readv", server),
    "trace the server": trace,
    "take the server's socket": take_socket,
    "limit the server": limit_server,
    "signal the server": lambda server: os.kill(server.pid, 0),
    "signal the server by a pipe": signal_by_pipe,
    "connect to the server": connect,
    "connect to an abstract socket": connect_by_name,
    "make two sockets": lambda _: socket.socketpair(),
    "run a program": lambda _: os.execv("/bin/echo", ["/bin/echo", "got a program"]),
    "start a process": fork,
    "share memory": lambda _: checked(LIBC.shmget(0, 4096, 0o1600)),
    "make a file in memory": lambda _: os.memfd_create("x"),
    "map code": code_in_memory,
    "load a library": load_library,
    "io_uring_setup": io_uring,
    "userfaultfd": lambda _: kernel.system_call(USERFAULTFD, 1),
    "keyctl": lambda _: kernel.system_call(KEYCTL, KEYCTL_GET_KEYRING_ID, SESSION_KEYRING, 1),
    "bpf": bpf,
    "perf_event_open": perf_event,
    "mount": lambda server: checked(LIBC.mount(b"x", server.folder.encode(), b"tmpfs", 0, None)),
    "become root": lambda _: os.setresuid(0, 0, 0),
    "enter a name space": lambda _: kernel.unshare(NEW_USERS),
    "change the root": lambda _: os.chroot("/"),
    "personality": lambda _: checked(LIBC.personality(ctypes.c_ulong(ASK_PERSONALITY))),
    "raise its own limits": raise_own_limits,
}


def take_name_spaces() -> None:
    of_users = privileges.why_no_other_user() is not None
    less = privileges.enter_name_spaces(of_users=of_users)
    if of_users and less is not None:
        raise OSError(f"this machine allows name spaces of users only, against {less}")


def take_root() -> None:
    take_name_spaces()
    privileges.leave_the_files()
    privileges.drop_rights()


def take_user() -> None:
    privileges.become_nobody()


def take_files() -> None:
    privileges.drop_rights()
    landlock.restrict()


def take_system_calls() -> None:
    privileges.drop_rights()
    seccomp.filter_system_calls()


# One layer by itself, with what it cannot do without.
LAYERS: dict[str, Callable[[], object]] = {
    "all": lambda: lock_down(WorkerLimits()),
    "none": lambda: None,
    "name_spaces": take_name_spaces,
    "empty_root": take_root,
    "another_user": take_user,
    "no_rights": privileges.drop_rights,
    "landlock": take_files,
    "no_new_descriptors": lambda: limit_resources(WorkerLimits()),
    "system_calls": take_system_calls,
}


def run_child(server: Server, layer: str, attempt: str, answers: int) -> None:
    """Never returns. Says on `answers` what was got or why nothing was."""
    os.dup2(answers, 1)
    os.closerange(3, 1000)
    try:
        LAYERS[layer]()
    except OSError as error:
        os.write(1, f"no layer: {error}".encode())
        os._exit(0)
    try:
        said = f"got {ATTEMPTS[attempt](server)!r}"
    except Exception as error:
        said = f"refused: {error!r}"
    os.write(1, said.encode())
    os._exit(0)


def serve(folder: str, uid: int, *, hidden: bool) -> None:
    """Answers a line of JSON for each line: (layer, attempt) -> what came of it, and what is left."""
    if uid != os.getuid():
        os.setgroups([])
        os.setresgid(uid, uid, uid)
        os.setresuid(uid, uid, uid)
    # A process that changed its user is hidden; a server that was started by its user is not.
    kernel.prctl(kernel.PR_SET_DUMPABLE, 0 if hidden else 1)
    os.umask(0o077)
    Path(folder, "key").write_bytes(SECRET)
    secret = ctypes.create_string_buffer(SECRET)
    listener = socket.create_server(("127.0.0.1", 0))
    named = socket.socket(socket.AF_UNIX)
    server = Server(
        os.getpid(), folder, ctypes.addressof(secret), listener.fileno(), listener.getsockname()[1]
    )
    named.bind(server.abstract_name)
    named.listen()
    print(json.dumps(asdict(server)), flush=True)
    for line in sys.stdin:
        layer, attempt = json.loads(line)
        readable, writable = os.pipe()
        child = os.fork()
        if child == 0:
            run_child(server, layer, attempt, writable)
        os.close(writable)
        with os.fdopen(readable, "rb") as answers:
            said = answers.read().decode()
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        left = {"secret": secret.value.decode(), "files": sorted(os.listdir(folder))}
        secret.value = SECRET
        Path(folder, "left").unlink(missing_ok=True)
        print(json.dumps({"said": said, "status": status, **left}), flush=True)


if __name__ == "__main__":
    serve(sys.argv[1], int(sys.argv[2]), hidden=sys.argv[3] == "hidden")
