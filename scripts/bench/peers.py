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


def debian(tools, package):
    """The binaries of a Debian package, unpacked below `tools`; nothing is installed on the host."""
    target = tools / package
    if not target.exists():
        if not shutil.which("apt-get"):
            raise Missing("no apt-get")
        folder = tools / f"{package}.deb"
        folder.mkdir(exist_ok=True)
        sh(["apt-get", "download", package], cwd=folder)
        for archive in folder.glob("*.deb"):
            sh(["dpkg-deb", "-x", str(archive), str(target)])
    return target


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


class Tree(Peer):
    """A peer that is one small process for each service."""

    package = "?"

    def bin_path(self):
        root = debian(self.tools, self.package)
        return f"{root}/usr/bin:{root}/bin"

    def configure(self):
        for name in self.names:
            service = self.folder / "scan" / name
            service.mkdir(parents=True)
            run = service / "run"
            run.write_text(f"#!/bin/sh\nexec {' '.join(self.words(name))}\n")
            run.chmod(0o755)

    def services(self):
        return [self.folder / "scan" / name for name in self.names]

    def version(self):
        archives = list((self.tools / f"{self.package}.deb").glob(f"{self.package}_*"))
        return archives[0].name.split("_")[1]


class S6(Tree):
    name, package = "s6", "s6"

    def bin_path(self):
        # Its programs find one another by the absolute paths they were built with.
        if not shutil.which("s6-svscan"):
            raise Missing("not installed (Debian: apt install s6)")
        return self.tools

    def version(self):
        return ""

    def begin(self):
        self.daemon("s6-svscan", "-c", "1000", "scan")

    def each(self, *flags):
        for service in self.services():
            self.call("s6-svc", *flags, service)

    def restart(self):
        self.each("-r")

    def stop(self):
        self.each("-d")

    def status(self):
        for service in self.services():
            self.call("s6-svstat", service)

    def end(self):
        self.each("-dx")
        self.call("s6-svscanctl", "-t", "scan")
        super().end()


class Runit(Tree):
    name, package = "runit", "runit"

    def begin(self):
        self.daemon("runsvdir", "-P", "scan")

    def restart(self):
        self.call("sv", "restart", *self.services())

    def stop(self):
        self.call("sv", "stop", *self.services())

    def status(self):
        self.call("sv", "status", *self.services())

    def end(self):
        self.call("sv", "exit", *self.services())
        # runsvdir begins its runsv anew unless it is told to let them go.
        self.root.send_signal(signal.SIGHUP)
        super().end()


def free_port():
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


ALL = [Floor, Sentinel, S6, Runit, Supervisord, Circus, Pm2]


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
