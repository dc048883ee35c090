"""The peers of the daemontools kind, from Debian: s6 and runit; and dinit."""

import shutil
import signal

from peers import Missing, Peer, sh


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
    slow, kills = True, 5

    def bin_path(self):
        # Its programs find one another by the absolute paths they were built with.
        if not shutil.which("s6-svscan"):
            raise Missing("not installed (Debian: apt install s6)")
        return self.tools

    def version(self):
        return sh(["dpkg-query", "-W", "-f", "${Version}", "s6"])

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


class Dinit(Peer):
    name = "dinit"

    def bin_path(self):
        if shutil.which("dinit"):
            return self.tools
        try:
            root = debian(self.tools, "dinit")
        except Missing as why:
            raise Missing(f"not in PATH, and not in this system's package archive; build it from its source ({why})")
        return f"{root}/usr/bin:{root}/usr/sbin:{root}/sbin:{root}/bin"

    def configure(self):
        folder = self.folder / "dinit.d"
        folder.mkdir()
        for name in self.names:
            words = " ".join(self.words(name))
            text = f"type = process\ncommand = {words}\nrestart = true\nrestart-delay = 0\nrestart-limit-count = 0\n"
            (folder / name).write_text(text)
        (folder / "boot").write_text("type = internal\n" + "".join(f"waits-for: {name}\n" for name in self.names))

    def begin(self):
        self.daemon("dinit", "-d", "dinit.d", "-p", self.folder / "socket", "-q")

    def ask(self, *words):
        self.call("dinitctl", "-p", self.folder / "socket", *words)

    def restart(self):
        for name in self.names:
            self.ask("restart", "--ignore-unstarted", name)

    def stop(self):
        self.ask("stop", "boot")

    def status(self):
        self.ask("list")

    def version(self):
        program = shutil.which("dinit") or shutil.which("dinit", path=str(self.bin_path()))
        return sh([program, "--version"]).split()[2].rstrip(".")
