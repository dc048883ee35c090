"""The supervisors that are measured: how each is installed, configured, asked and ended.

Every peer has the same verbs. `begin` starts N workers (worker.c) under it; `restart`, `stop`, `status`
are the commands that its users type; `processes` are its own, workers left out.
"""

import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import time

QUIET = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}


class Missing(Exception):
    """This peer cannot be had on this machine; the text says why."""


def sh(words, **more):
    """Runs a command to its end; its output is kept for the error."""
    ran = subprocess.run(words, capture_output=True, text=True, stdin=subprocess.DEVNULL, **more)
    if ran.returncode:
        raise Missing(f"{' '.join(map(str, words))}: {(ran.stderr or ran.stdout).strip()[-200:]}")
    return ran.stdout


def children(pid):
    """The direct children of a process."""
    try:
        tasks = pathlib.Path(f"/proc/{pid}/task").iterdir()
        return [int(child) for task in tasks for child in (task / "children").read_text().split()]
    except OSError:
        return []


class Peer:
    """One supervisor with N workers."""

    name = "?"
    root = None
    # Takes seconds where others take milliseconds: fewer rounds, fewer kills.
    slow = False
    kills = 1000

    def __init__(self, tools, folder, worker, journal, count):
        self.tools, self.folder, self.worker, self.journal = tools, folder, worker, journal
        self.names = [f"w{number}" for number in range(count)]
        self.environment = dict(os.environ, PATH=f"{self.bin_path()}:{os.environ['PATH']}")
        self.configure()

    def bin_path(self):
        return self.tools

    def words(self, name):
        return [str(self.worker), str(self.journal), name]

    def call(self, *words):
        subprocess.run([str(word) for word in words], env=self.environment, cwd=self.folder, **QUIET)

    def daemon(self, *words):
        self.root = subprocess.Popen(
            [str(word) for word in words], env=self.environment, cwd=self.folder, start_new_session=True, **QUIET
        )
        return self.root.pid

    def root_pid(self):
        return self.root.pid

    def processes(self):
        found, queue = [], [self.root_pid()]
        while queue:
            pid = queue.pop()
            try:
                program = os.readlink(f"/proc/{pid}/exe")
            except OSError:
                continue
            if program != str(self.worker):
                found.append(pid)
            queue += children(pid)
        return found

    def end(self):
        if self.root:
            self.root.send_signal(signal.SIGTERM)
            try:
                self.root.wait(20)
            except subprocess.TimeoutExpired:
                self.root.kill()
                self.root.wait()

    def configure(self):
        """Writes what the peer reads."""

    def version(self):
        return ""

    @classmethod
    def version_in(cls, tools):
        """The version of what is in this folder."""
        peer = cls.__new__(cls)
        peer.tools = tools
        return peer.version()


class Floor(Peer):
    """floor.c, which knows nothing but fork, exec and wait."""

    name = "floor"

    def begin(self):
        words = [self.tools / "floor", self.worker, self.journal, len(self.names)]
        self.root = subprocess.Popen(
            [str(word) for word in words], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
        )
        self.tell("start")

    def tell(self, word):
        self.root.stdin.write(word + "\n")
        self.root.stdin.flush()

    def restart(self):
        self.tell("restart")

    def stop(self):
        self.tell("stop")

    status = None


class Sentinel(Peer):
    name = "sentinel"

    def binary(self):
        return os.environ["SENTINEL"]

    def configure(self):
        service = '[services.{0}]\ncommand = {1}\nmin_uptime = "10ms"\n'
        text = "".join(service.format(name, json.dumps(self.words(name))) for name in self.names)
        (self.folder / "services.toml").write_text(text)
        self.environment["SENTINEL_CONFIG"] = str(self.folder / "services.toml")

    def begin(self):
        self.call(self.binary(), "start")

    def root_pid(self):
        status = subprocess.run(
            [self.binary(), "status", "--json"], env=self.environment, capture_output=True, text=True
        )
        return json.loads(status.stdout)["supervisor"]["pid"]

    def restart(self):
        self.call(self.binary(), "restart", *self.names)

    def stop(self):
        self.call(self.binary(), "stop")

    def status(self):
        self.call(self.binary(), "status")

    def end(self):
        self.call(self.binary(), "shutdown")

    def version(self):
        return sh([self.binary(), "--version"]).split()[-1]


class Pip(Peer):
    """A peer from PyPI, in a virtual environment of its own."""

    package = "?"

    def bin_path(self):
        folder = self.tools / self.package
        if not folder.exists():
            sh([sys.executable, "-m", "venv", str(folder)])
            sh([str(folder / "bin/pip"), "install", "--quiet", self.package, "setuptools<81"])
        return folder / "bin"

    def version(self):
        shown = sh([str(self.bin_path() / "pip"), "show", self.package])
        return next(line.split()[1] for line in shown.splitlines() if line.startswith("Version"))


class Supervisord(Pip):
    name, package = "supervisord", "supervisor"
    slow, kills = True, 5

    def configure(self):
        program = "[program:{0}]\ncommand={1}\nstdout_logfile={2}/{0}.log\nredirect_stderr=true\nstartsecs=0\n"
        head = (
            "[supervisord]\nnodaemon=true\nminfds=8192\nlogfile={0}/main.log\npidfile={0}/pid\n"
            "[unix_http_server]\nfile={0}/sock\n[supervisorctl]\nserverurl=unix://{0}/sock\n"
            "[rpcinterface:supervisor]\n"
            "supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface\n"
        )
        text = head.format(self.folder)
        for name in self.names:
            text += program.format(name, " ".join(self.words(name)), self.folder)
        (self.folder / "conf").write_text(text)

    def begin(self):
        self.daemon("supervisord", "-c", "conf")

    def ask(self, *words):
        self.call("supervisorctl", "-c", "conf", *words)

    def restart(self):
        self.ask("restart", "all")

    def stop(self):
        self.ask("stop", "all")

    def status(self):
        self.ask("status")


class Circus(Pip):
    name, package = "circus", "circus"
    slow, kills = True, 5

    def configure(self):
        ports = [free_port() for _ in range(3)]
        text = "[circus]\nendpoint=tcp://127.0.0.1:{}\npubsub_endpoint=tcp://127.0.0.1:{}\nstats_endpoint=tcp://127.0.0.1:{}\n".format(*ports)
        for name in self.names:
            text += f"[watcher:{name}]\ncmd={' '.join(self.words(name))}\nnumprocesses=1\n"
        (self.folder / "circus.ini").write_text(text)
        self.endpoint = f"tcp://127.0.0.1:{ports[0]}"

    def begin(self):
        self.daemon("circusd", "circus.ini")

    def ask(self, *words):
        self.call("circusctl", "--endpoint", self.endpoint, "--timeout", "120", *words)

    def restart(self):
        self.ask("restart")

    def stop(self):
        self.ask("stop")

    def status(self):
        self.ask("status")


class Pm2(Peer):
    name = "PM2"
    slow = True

    def bin_path(self):
        folder = self.tools / "pm2"
        if not folder.exists():
            if not shutil.which("npm"):
                raise Missing("no npm")
            sh(["npm", "install", "--silent", "--no-fund", "--no-audit", "--prefix", str(folder), "pm2"])
        return folder / "node_modules/.bin"

    def configure(self):
        self.environment["PM2_HOME"] = str(self.folder / "home")
        apps = [
            {"name": name, "script": str(self.worker), "args": self.words(name)[1:], "interpreter": "none"}
            for name in self.names
        ]
        (self.folder / "ecosystem.json").write_text(json.dumps({"apps": apps}))

    def begin(self):
        self.call("pm2", "start", "ecosystem.json")

    def root_pid(self):
        return int((self.folder / "home/pm2.pid").read_text())

    def restart(self):
        self.call("pm2", "restart", "all")

    def stop(self):
        self.call("pm2", "stop", "all")

    def status(self):
        self.call("pm2", "list")

    def end(self):
        self.call("pm2", "kill")

    def version(self):
        return json.loads((self.tools / "pm2/node_modules/pm2/package.json").read_text())["version"]


def free_port():
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


def build(tools, here):
    """Compiles the worker and the floor."""
    for program in ["worker", "floor"]:
        sh(["cc", "-O2", "-static", "-o", str(tools / program), str(here / f"{program}.c")])
    return tools / "worker"


def wait_until(condition, within, step=0.0005):
    """Waits for a condition with a deadline; None when it passed."""
    deadline = time.monotonic() + within
    while not (found := condition()):
        if time.monotonic() > deadline:
            return None
        time.sleep(step)
    return found
