"""What code tries that wants out of its sandbox, as data: each is a cell, which sets ``got`` to what it got hold of.

``T`` holds the targets, which the test puts in place. ``outside`` says what the same cell comes to in a kernel that
is not shut off, so that it is seen to be a real attempt; None where that depends on the machine or on who runs it.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Attempt:
    """``source`` runs in a cell; where it raises, it got nothing."""

    name: str
    source: str
    outside: bool | None = True


ATTEMPTS: tuple[Attempt, ...] = (
    # The server's token
    Attempt(
        "token: ask Jupyter which servers run",
        """
from jupyter_server.serverapp import list_running_servers
got = [server["token"] for server in list_running_servers()]
""",
    ),
    Attempt(
        "token: read the runtime folder",
        """
import glob
got = [open(file).read() for file in glob.glob(T["runtime"] + "/jpserver-*.json")]
""",
    ),
    Attempt(
        "token: read the settings",
        """
got = open(T["config"]).read()
""",
    ),
    Attempt(
        "secrets: the environment of other processes",
        """
import glob
got = []
for file in glob.glob("/proc/[0-9]*/environ"):
    try:
        got += [file] if T["canary"].encode() in open(file, "rb").read() else []
    except OSError:
        pass
""",
    ),
    Attempt(
        "secrets: the command lines of other processes",
        """
import glob
got = []
for file in glob.glob("/proc/[0-9]*/cmdline"):
    try:
        got += [file] if T["argument"].encode() in open(file, "rb").read() else []
    except OSError:
        pass
""",
    ),
    Attempt(
        "secrets: the store",
        """
import glob
got = [str(open(file, "rb").read(16)) for file in glob.glob(T["data"] + "/**/*.sqlite3", recursive=True)]
""",
    ),
    # The person's files
    Attempt("home: by its path", "got = open(T['home_canary']).read()"),
    Attempt("home: by its name", "import os\ngot = open(os.path.expanduser('~/.ssh/id_canary')).read()"),
    Attempt("home: list it", "import os\ngot = os.listdir(os.path.dirname(T['home_canary']))"),
    Attempt("folder of the notebook: read", "got = open(T['original']).read()"),
    Attempt("folder of the notebook: write", "got = open(T['original'] + '.written', 'w').write('x')"),
    Attempt(
        "home: through the root of any process",
        """
import glob
got = []
for place in glob.glob("/proc/[0-9]*/root") + glob.glob("/proc/[0-9]*/cwd") + ["/proc/self/root"]:
    try:
        got.append(open(place + T["home_canary"]).read())
    except OSError:
        pass
""",
    ),
    Attempt("system: the passwords", "got = open('/etc/shadow').read()", outside=None),
    Attempt(
        "system: sockets of its services",
        """
import glob
got = glob.glob("/run/**/*.sock*", recursive=True) + glob.glob("/var/run/**/*.sock*", recursive=True)
got = [socket for socket in got if socket != "/run/hermes_lab/tools.sock"]
""",
        outside=None,
    ),
    # Another run
    Attempt(
        "neighbour: its scratch folder",
        """
import glob
got = [open(file).read() for file in glob.glob(T["data"] + "/**/neighbour.txt", recursive=True)]
""",
    ),
    Attempt(
        "neighbour: its connection file and sockets",
        """
import glob, ipykernel.connect, os
own = os.path.dirname(ipykernel.connect.get_connection_file())
found = glob.glob("/tmp/hermes-*/**/kernel.json", recursive=True) + glob.glob("/tmp/hermes-*/**/*k-*", recursive=True)
got = [file for file in found if not file.startswith(own)]
""",
    ),
    # Writing
    Attempt(
        "write: what the machine keeps",
        """
import os, sys
got = []
folders = ("/", "/usr", "/usr/local/bin", "/etc", "/var/tmp", "/run", "/opt", "/sys", "/proc")
for folder in (*folders, sys.prefix, sys.base_prefix):
    file = os.path.join(folder, T["marker"])
    try:
        open(file, "w").close()
        got.append(folder)
        os.remove(file)
    except OSError:
        pass
""",
    ),
    Attempt(
        "write: into shared memory and /tmp, for others to find",
        """
import os
for folder in ("/tmp", "/dev/shm"):
    open(os.path.join(folder, T["marker"]), "w").close()
""",
        outside=None,  # see test_what_it_wrote_elsewhere_is_seen_by_nobody
    ),
    Attempt(
        "write: the output notebook",
        """
import os
side = os.path.basename(os.getcwd())
got = open(f"../{side}.ipynb", "r+").name
""",
    ),
    Attempt(
        "write: hermes_runtime, which other kernels import",
        """
import hermes_runtime, os
file = os.path.join(os.path.dirname(hermes_runtime.__file__), "written.py")
open(file, "w").close()
os.remove(file)
got = file
""",
    ),
    Attempt(
        "write: another connection file in place of its own",
        """
import ipykernel.connect, os, shutil
own = ipykernel.connect.get_connection_file()
shutil.copy(own, own + ".new")
os.replace(own + ".new", own)
got = own
""",
    ),
    Attempt(
        "write: another folder in place of that of its sockets",
        """
import ipykernel.connect, os
folder = os.path.join(os.path.dirname(ipykernel.connect.get_connection_file()), "sockets")
os.rename(folder, folder + ".moved")
os.rename(folder + ".moved", folder)
got = folder
""",
        outside=False,  # there is none
    ),
    Attempt(
        "write: its log, which the runner reads",
        """
import ipykernel.connect, os
log = os.path.join(os.path.dirname(ipykernel.connect.get_connection_file()), "kernel.log")
os.rename(log, log + ".old")
os.rename(log + ".old", log)
got = log
""",
    ),
    Attempt(
        "write: settings of the system's kernel",
        """
import os
got = []
for file in ("/proc/sys/kernel/core_pattern", "/proc/sysrq-trigger", "/proc/sys/vm/drop_caches", "/sys/power/state"):
    try:
        os.close(os.open(file, os.O_WRONLY))
        got.append(file)
    except OSError:
        pass
""",
        outside=None,
    ),
    # Network
    Attempt(
        "network: the server",
        """
import urllib.request
opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
got = opener.open(T["url"] + "/login", timeout=10).status
""",
    ),
    Attempt(
        "network: another port of this machine",
        """
import socket
got = socket.create_connection(("127.0.0.1", T["port"]), timeout=10).recv(10).decode()
""",
    ),
    Attempt(
        "network: the machine by its own address",
        """
import socket
got = [socket.create_connection((address, T["port"]), timeout=10).recv(10).decode() for address in T["addresses"]]
""",
        outside=None,  # a machine may have none
    ),
    Attempt(
        "network: a datagram",
        """
import socket
sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sender.settimeout(3)
sender.sendto(b"hello", ("127.0.0.1", T["datagram_port"]))
got = sender.recv(10).decode()
""",
    ),
    Attempt(
        "network: an abstract Unix socket",
        """
import socket
client = socket.socket(socket.AF_UNIX)
client.connect("\\0" + T["abstract"])
got = client.recv(10).decode()
""",
    ),
    Attempt(
        "network: a Unix socket in a folder",
        """
import socket
client = socket.socket(socket.AF_UNIX)
client.connect(T["unix_socket"])
got = client.recv(10).decode()
""",
    ),
    Attempt(
        "network: the host of a virtual machine, which no network namespace keeps away",
        """
import socket
got = str(socket.socket(socket.AF_VSOCK, socket.SOCK_STREAM))
""",
        outside=None,
    ),
    Attempt(
        "secrets: the keys that Linux keeps for the user",
        """
import ctypes, platform
libc = ctypes.CDLL(None, use_errno=True)
add_key, keyctl = {"x86_64": (248, 250), "aarch64": (217, 219)}[platform.machine()]
got = [libc.syscall(keyctl, 0, ring, 0) for ring in (-3, -4, -5)]
got = [ring for ring in got if ring > 0]
""",
        outside=None,
    ),
    Attempt(
        "walls: io_uring, which no filter of system calls sees into",
        """
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
made = libc.syscall(425, 1, ctypes.create_string_buffer(120))
got = [made] if made >= 0 else []
""",
        outside=None,
    ),
    Attempt(
        "network: an interface besides its own loopback",
        """
import socket
got = [name for _, name in socket.if_nameindex() if name != "lo" and open(f"/sys/class/net/{name}/operstate")]
""",
        outside=None,
    ),
    Attempt(
        "tool channel: the rest of the server",
        """
import os
from hermes_runtime.unix import UnixConnection
got = []
for path in ("/api/contents", "/api/status", "/hermes/api/runs", "/hermes/api/proposals", "/hermes/mcp"):
    connection = UnixConnection(os.environ["HERMES_LAB_SOCKET"])
    connection.request("GET", path, headers={"Authorization": "Bearer " + os.environ["HERMES_LAB_KERNEL_TOKEN"]})
    status = connection.getresponse().status
    got += [path] if status != 404 else []
""",
        outside=False,
    ),
    # Other processes
    Attempt("processes: see the server", "import os\ngot = os.readlink(f'/proc/{T[\"server\"]}/exe')"),
    Attempt("processes: signal another one", "import os\nos.kill(T['victim'], 0)\ngot = 'sent'"),
    Attempt("processes: signal all", "import os\nos.killpg(T['victim'], 0)\ngot = 'sent'"),
    Attempt("processes: read the memory of another one", "got = open(f'/proc/{T[\"victim\"]}/mem').name", outside=None),
    Attempt(
        "processes: trace another one",
        """
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
ATTACH, DETACH = 16, 17
if libc.ptrace(ATTACH, T["victim"], 0, 0) == 0:
    got = "attached"
    import os
    os.waitpid(T["victim"], 0x40000000)
    libc.ptrace(DETACH, T["victim"], 0, 0)
""",
        outside=None,
    ),
    Attempt(
        "processes: outlive the run, in a session of its own and under no variable of ours",
        """
import os, subprocess, sys
forks = "import os, sys\\nif os.fork(): os._exit(0)\\nos.setsid()\\nif os.fork(): os._exit(0)\\n"
forks += "os.execvpe('sleep', sys.argv[1:], {})"
command = ["nohup", sys.executable, "-c", forks, "sleep", T["outliving"]]
subprocess.run(command, env={"PATH": os.environ["PATH"]}, check=True)
""",
        outside=None,  # see test_nothing_outlives_the_run
    ),
    # The walls themselves
    Attempt(
        "walls: namespaces of its own",
        """
import subprocess, sys
flags = {"user": 0x10000000, "mount": 0x20000, "net": 0x40000000}
# In a process of its own: one with threads makes no user namespace.
unshares = "import ctypes, sys; sys.exit(ctypes.CDLL(None).unshare(int(sys.argv[1])) != 0)"
tried = {name: subprocess.run([sys.executable, "-c", unshares, str(flag)]) for name, flag in flags.items()}
got = [name for name, done in tried.items() if not done.returncode]
""",
        outside=None,
    ),
    Attempt(
        "walls: mount over them",
        """
import subprocess
commands = (["mount", "-t", "tmpfs", "none", "/usr"], ["umount", "-l", "/usr"], ["mount", "-o", "remount,rw", "/usr"])
got = [command for command in commands if T["is_sandboxed"] and not subprocess.run(command).returncode]
""",
        outside=False,  # it is not tried outside: it would work for root
    ),
    Attempt(
        "walls: the old root",
        """
import os
got = [name for name in ("/oldroot", "/newroot", "/old_root") if os.path.isdir(name) and os.listdir(name)]
""",
        outside=None,
    ),
    Attempt(
        "walls: capabilities",
        """
status = dict(line.split(":", 1) for line in open("/proc/self/status"))
got = [name for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb") if int(status[name], 16)]
""",
        outside=None,
    ),
    Attempt(
        "walls: a program with the rights of its owner",
        """
import os
got = [line.split()[4] for line in open("/proc/self/mountinfo") if "nosuid" not in line.split()[5]]
""",
        outside=None,
    ),
    Attempt(
        "walls: a file or folder that the runner left open",
        """
import os, stat
got = []
for number in os.listdir("/proc/self/fd"):
    try:
        target = os.readlink(f"/proc/self/fd/{number}")
        mode = os.fstat(int(number)).st_mode
    except OSError:
        continue
    is_own = target == f"/proc/{os.getpid()}/fd" or os.path.basename(target) == "kernel.log"
    if (stat.S_ISDIR(mode) or stat.S_ISREG(mode)) and not is_own:
        got.append(target)
""",
        outside=False,
    ),
    Attempt(
        "walls: anything else that was left open when it was started",
        """
import fcntl, os
got = []
for number in os.listdir("/proc/self/fd"):
    try:
        is_inherited = not fcntl.fcntl(int(number), fcntl.F_GETFD) & fcntl.FD_CLOEXEC
    except OSError:
        continue
    if is_inherited and int(number) > 2:
        got.append(os.readlink(f"/proc/self/fd/{number}"))
""",
        outside=False,
    ),
    Attempt(
        "walls: keys into a terminal",
        """
import fcntl, os, termios
for file in ("/dev/tty", "/dev/console", "/proc/self/fd/0"):
    try:
        terminal = os.open(file, os.O_RDWR)
        fcntl.ioctl(terminal, termios.TIOCSTI, b"x")
        got = file
    except OSError:
        pass
""",
        outside=None,
    ),
    Attempt(
        "walls: a block device",
        """
import os
got = []
for name in sorted(os.listdir("/dev")):
    try:
        got += [name] if os.stat("/dev/" + name).st_mode & 0o170000 == 0o060000 else []
    except OSError:
        pass
try:
    os.mknod("made", 0o060600, os.makedev(254, 0))
    got.append("made")
    os.remove("made")
except OSError:
    pass
""",
        outside=None,
    ),
    # Having others do it
    Attempt(
        "links: the server reads where a link leads",
        """
import hermes_runtime as hermes, os
os.symlink(T["home_canary"], "link.txt")
os.symlink(os.path.dirname(T["home_canary"]), "folder")
answers = [hermes.read_file("link.txt"), hermes.read_file("folder/id_canary"), hermes.read_file(T["home_canary"])]
got = [answer["content"] for answer in answers if answer["content"]]
""",
        outside=False,
    ),
    Attempt(
        "links: hard links to what is outside",
        """
import os
os.link(T["home_canary"], "hard.txt")
got = open("hard.txt").read()
""",
        outside=None,  # file systems of their own
    ),
)
