"""A compose file without a container engine: what it says is done with the namespaces of the Linux kernel.

Each container has a network of its own (one bridge joins them; ``/etc/hosts`` has their names, and so has a server of
DNS, which gives all addresses of a service), a root file system of its own (this machine's under an overlay, read-only
where the file says so), its volumes, files, variables, command and health check, and starts when what it depends on is
as it should be. What stands for an image is a ``Standin``. Not shown: the images themselves, limits of memory, and that
ports are published: ``Project.published`` looks them up.

Needs root on Linux, ``ip``, ``unshare``, ``nsenter`` and ``setpriv``.
"""

import ctypes
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import resolver
import yaml
from ondemand import missing
from servers import until

ROOT = Path(__file__).parents[1]
TOOLS = ("ip", "unshare", "nsenter", "setpriv")
HEALTHY_WITHIN_S, DONE_WITHIN_S = 90.0, 90.0
GRACE_S = 10.0
SUBNET = "10.213.77"
NAME_SERVER = f"{SUBNET}.1"
_CLONE_NEWNET = 0x40000000
_WITH_US = ("setpriv", "--pdeathsig", "KILL", "--")
"""What is started ends with the tests."""


def need_namespaces() -> None:
    """Skip the test where this machine does not let it make namespaces; fail it where they are required."""
    made = [*_WITH_US, "unshare", "--net", "--mount", "ip", "link", "add", "name", "one", "type", "bridge"]
    if not all(map(shutil.which, TOOLS)):
        missing("namespaces", "no namespaces: apt-get install iproute2 util-linux")
    if subprocess.run(made, capture_output=True).returncode:
        missing("namespaces", "no namespaces: they need root")


@dataclass(frozen=True)
class Standin:
    """What stands for an image: what runs, as whom, and what an image brings along.

    ``writes`` are folders that belong to its user, ``prepare`` are lines of shell that run in the container first.
    """

    entrypoint: Sequence[str] = ()
    command: Sequence[str] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    health: Sequence[str] = ()
    user: str | None = None
    workdir: str = "/"
    writes: Sequence[str] = ()
    prepare: Sequence[str] = ()


class Mount(NamedTuple):
    """A file or folder that is mounted in a container."""

    source: Path
    target: str
    is_writable: bool


@dataclass
class Container:
    """One container: the process that holds its namespaces, and the one that runs in it."""

    service: str
    address: str
    pid: int
    env: Mapping[str, str]
    image: Standin
    log: Path
    process: "subprocess.Popen[bytes] | None" = None

    def start(self, command: Sequence[str], **options: Any) -> "subprocess.Popen[bytes]":
        """Run a command in the container."""
        inside = ("nsenter", f"--target={self.pid}", "--net", "--mount", "--uts", "--root", "--")
        where = ("sh", "-c", 'cd "$0" && exec "$@"', self.image.workdir)
        return subprocess.Popen([*_WITH_US, *inside, *where, *command], env=dict(self.env), **options)

    def run(self, command: Sequence[str]) -> int:
        """Run a command in the container to its end; its words go to the container's log."""
        with self.log.open("ab") as log:
            return self.start(command, stdout=log, stderr=log).wait(DONE_WITHIN_S)


class Project:
    """The containers of a compose file's ``description``, whose paths are relative to ``base``.

    ``images`` maps the names of images to what stands for them.
    """

    def __init__(self, description: Mapping[str, Any], base: Path, images: Mapping[str, Standin], folder: Path) -> None:
        self._description, self._base, self._images, self._folder = description, base, images, folder
        self.services: Mapping[str, Mapping[str, Any]] = description["services"]
        self.containers: dict[str, list[Container]] = {}
        self._network = -1

    @contextmanager
    def up(self) -> Iterator["Project"]:
        """All services, each started when those that it depends on are ready, and healthy where they can tell.

        As of ``docker compose up --wait``; they are ended in the reverse order.
        """
        with ExitStack() as stack:
            self._network = stack.enter_context(_held([_link_up("lo"), *_BRIDGE]))
            addresses = self._addresses()
            names = "".join(f"{each[0]} {name}\n" for name, each in addresses.items())
            stack.enter_context(self._names_served(addresses))
            for name in self._in_order():
                stack.callback(self._stop, name)
                self.containers[name] = []
                for number, address in enumerate(addresses[name]):
                    self.containers[name].append(stack.enter_context(self._container(name, number, address, names)))
                for container in self.containers[name]:
                    self._start(container)
            for container in (each for some in self.containers.values() for each in some):
                if self._check(container):
                    self._await_service_healthy(container)
            yield self

    def published(self, port: int) -> str:
        """``host:port``, as it is reached within ``joined``, of what the file publishes on a port of loopback."""
        for name, service in self.services.items():
            for each in service.get("ports", ()):
                host, outside, inside = each.split(":")
                if (host, int(outside)) == ("127.0.0.1", port):
                    return f"{self.containers[name][0].address}:{inside}"
        raise AssertionError(f"nothing is published on 127.0.0.1:{port}")

    @contextmanager
    def joined(self, container: Container | None = None) -> Iterator[None]:
        """What this thread opens meanwhile is in the network that joins the containers, or in that of one of them."""
        own = os.open(f"/proc/self/task/{threading.get_native_id()}/ns/net", os.O_RDONLY)
        try:
            with _open(f"/proc/{container.pid if container else self._network}/ns/net") as theirs:
                _enter(theirs)
            yield
        finally:
            _enter(own)
            os.close(own)

    @contextmanager
    def _names_served(self, addresses: Mapping[str, Sequence[str]]) -> Iterator[None]:
        """A server of DNS where the containers look for it."""
        with self.joined():
            server = resolver.Resolver((NAME_SERVER, resolver.PORT), addresses)
        with server.running():
            yield

    def _addresses(self) -> dict[str, list[str]]:
        """An address for each container, by service."""
        found: dict[str, list[str]] = {}
        number = 10
        for name, service in self.services.items():
            found[name] = []
            if "network_mode" in service:  # it has that of another service, which comes first
                found[name].append(found[_network_of(service)][0])
                continue
            for _ in range(service.get("deploy", {}).get("replicas", 1)):
                found[name].append(f"{SUBNET}.{number}")
                number += 1
        return found

    def _in_order(self) -> list[str]:
        """The services, each behind those that it depends on."""
        order: list[str] = []

        def add(name: str) -> None:
            of_another = (_network_of(self.services[name]),) if "network_mode" in self.services[name] else ()
            for before in (*self.services[name].get("depends_on", ()), *of_another):
                add(before)
            if name not in order:
                order.append(name)

        for name in self.services:
            add(name)
        return order

    @contextmanager
    def _container(self, name: str, number: int, address: str, names: str) -> Iterator[Container]:
        service, image = self.services[name], self._images[self.services[name]["image"]]
        folder = self._folder / f"{name}-{number}"
        folder.mkdir()
        (folder / "hosts").write_text(f"127.0.0.1 localhost\n{names}")
        (folder / "resolv.conf").write_text(f"nameserver {NAME_SERVER}\n")
        root = folder / "overlay" / "root"
        prepare = [f"hostname {name}", *_root_file_system(root, self._mounts(service, image, folder), service)]
        shared = self.containers[_network_of(service)][0].pid if "network_mode" in service else None
        with _held(prepare, root, shared) as pid:
            if shared is None:
                _join_bridge(self._network, pid, address)
            env = {"PATH": f"{Path(sys.prefix) / 'bin'}:{os.defpath}", "HOME": "/root", **image.env}
            env |= {key: str(value) for key, value in service.get("environment", {}).items()}
            yield Container(name, address, pid, env, image, folder / "log")

    def _mounts(self, service: Mapping[str, Any], image: Standin, folder: Path) -> list[Mount]:
        """The container's hosts, volumes and files, and the folders that its image lets be written to."""
        mounts = [Mount(folder / name, f"/etc/{name}", False) for name in ("hosts", "resolv.conf")]
        for volume in service.get("volumes", ()):
            source, target, *mode = volume.split(":")
            assert source.startswith((".", "/")) or source in self._description["volumes"], source
            place = self._base / source if source.startswith((".", "/")) else _made(folder / source)
            assert place.exists(), place
            mounts.append(Mount(place, target, mode != ["ro"]))
        for each in service.get("configs", ()):
            place = folder / f"{each['source']}.config"  # a volume may have the same name
            place.write_text(self._description["configs"][each["source"]]["content"])
            mounts.append(Mount(place, each["target"], False))
        own = {*image.writes} - {mount.target for mount in mounts}
        return [*mounts, *(Mount(_made(folder / target.replace("/", "_")), target, True) for target in own)]

    def _start(self, container: Container) -> None:
        service, image = self.services[container.service], container.image
        self._await_dependencies(service)
        for line in image.prepare:
            assert container.run(["sh", "-ec", line]) == 0, container.log.read_text()
        user = () if image.user is None else ("--reuid", image.user, "--regid", image.user, "--clear-groups")
        all_rights = () if service.get("cap_drop") != ["ALL"] else ("--bounding-set=-all", "--inh-caps=-all")
        no_new = ("--no-new-privs",) if "no-new-privileges:true" in service.get("security_opt", ()) else ()
        entrypoint = service.get("entrypoint", image.entrypoint)
        # As Compose does: who gives another entrypoint does not get the image's command.
        command = service.get("command", () if "entrypoint" in service else image.command)
        program = ("setpriv", *user, *all_rights, *no_new, "--", *entrypoint, *command)
        with container.log.open("ab") as log:
            container.process = container.start(program, stdout=log, stderr=log)

    def _await_dependencies(self, service: Mapping[str, Any]) -> None:
        wanted = service.get("depends_on", {})
        conditions = wanted if isinstance(wanted, dict) else {name: {"condition": "service_started"} for name in wanted}
        for name, each in conditions.items():
            for container in self.containers[name]:
                getattr(self, f"_await_{each['condition']}")(container)

    def _await_service_started(self, container: Container) -> None:
        assert container.process

    def _await_service_healthy(self, container: Container) -> None:
        check = self._check(container)
        assert check, f"{container.service} has no health check"
        until(f"{container.service} is healthy", lambda: self._is_well(container, check), HEALTHY_WITHIN_S)

    def _await_service_completed_successfully(self, container: Container) -> None:
        assert container.process
        assert container.process.wait(DONE_WITHIN_S) == 0, container.log.read_text()

    def _check(self, container: Container) -> Sequence[str]:
        """The command that tells whether a container is healthy; none where there is none."""
        own = self.services[container.service].get("healthcheck", {"test": ["CMD", *container.image.health]})
        kind, *command = own.get("test", ["CMD"])
        assert kind == "CMD", own
        return command

    def _is_well(self, container: Container, check: Sequence[str]) -> bool:
        assert container.process
        assert container.process.poll() is None, container.log.read_text()
        return container.run(check) == 0

    def _stop(self, name: str) -> None:
        """Ask all containers of a service to end; those that do not are killed."""
        processes = [c.process for c in self.containers[name] if c.process and c.process.poll() is None]
        for process in processes:
            process.send_signal(signal.SIGTERM)
        for process in processes:
            try:
                process.wait(GRACE_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


@contextmanager
def project(description: Mapping[str, Any], base: Path, images: Mapping[str, Standin]) -> Iterator[Project]:
    """What a compose file describes, brought up; gone afterwards."""
    need_namespaces()
    with ExitStack() as stack:
        folder = tempfile.TemporaryDirectory(prefix="sidecheck-compose-", ignore_cleanup_errors=True)
        yield stack.enter_context(Project(description, base, images, Path(stack.enter_context(folder))).up())


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


def read(file: Path) -> Mapping[str, Any]:
    """What a compose file describes where nobody set its variables."""
    text = re.sub(r"\$\{\w+:-(.*?)\}", r"\1", file.read_text()).replace("$$", "$")
    description: Mapping[str, Any] = yaml.safe_load(text)
    return description


def _network_of(service: Mapping[str, Any]) -> str:
    """The service whose network this one has, too."""
    kind, _, name = service["network_mode"].partition(":")
    assert kind == "service", service
    return str(name)


_BRIDGE = (
    "ip link add name bridge0 type bridge",
    f"ip addr add {NAME_SERVER}/24 dev bridge0",
    "ip link set bridge0 up",
)


def _link_up(name: str) -> str:
    return f"ip link set {name} up"


def _root_file_system(root: Path, mounts: Sequence[Mount], service: Mapping[str, Any]) -> list[str]:
    """The lines of shell that make a container's root. All of it is in memory and goes with its holder."""
    own = root.parent
    layers = f"lowerdir=/,upperdir={own}/upper,workdir={own}/work"
    lines = [f"mkdir {own}", f"mount -t tmpfs tmpfs {own}", f"mkdir {own}/upper {own}/work {root}"]
    lines += [f"mount -t overlay overlay -o {layers} {root}", _link_up("lo")]
    lines += [f"mount --rbind /{name} {root}/{name}" for name in ("proc", "sys", "dev")]
    lines += [f"mount -t tmpfs tmpfs {root}{target}" for target in service.get("tmpfs", ())]
    for mount in mounts:
        place = f"{root}{mount.target}"
        lines += [f"mkdir -p {place}" if mount.source.is_dir() else f"mkdir -p {Path(place).parent}; touch {place}"]
        lines += [f"mount --bind {mount.source} {place}"]
        lines += [] if mount.is_writable else [f"mount -o remount,bind,ro {place}"]
    for path in {ROOT, Path(sys.prefix)}:  # hidden where they are below one of these, or on another file system
        lines += [f"mkdir -p {root}{path}", f"mount --rbind {path} {root}{path}"]
    return [*lines, f"mount -o remount,ro {root}"] if service.get("read_only") else lines


def _join_bridge(network: int, container: int, address: str) -> None:
    """Give a container its address."""
    cable = f"c{address.rpartition('.')[2]}"
    add = f"ip link add name {cable} type veth peer name eth0 netns /proc/{container}/ns/net"
    _in_network(network, f"{add}; ip link set {cable} master bridge0; ip link set {cable} up")
    _in_network(container, f"ip addr add {address}/24 dev eth0; {_link_up('eth0')}")


def _in_network(pid: int, script: str) -> None:
    subprocess.run(["nsenter", f"--target={pid}", "--net", "--", "sh", "-ec", script], check=True)


@contextmanager
def _held(prepare: Sequence[str], root: Path = Path("/"), shared: int | None = None) -> Iterator[int]:
    """New namespaces, prepared by lines of shell, and the id of the process that holds them.

    The network is that of the process ``shared``, where one is given.
    """
    script = "; ".join([*prepare, f"exec chroot {root} sh -c 'echo made; exec sleep infinity'"])
    network = ("unshare", "--net") if shared is None else ("nsenter", f"--target={shared}", "--net")
    rest = ("unshare", "--mount", "--uts", "--propagation", "private")
    command = [*_WITH_US, *network, "--", *rest, "--", "sh", "-ec", script]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        assert process.stdout
        assert process.stderr
        assert process.stdout.readline() == b"made\n", process.stderr.read().decode()
        yield process.pid
    finally:
        process.kill()
        process.wait()


@contextmanager
def _open(path: str) -> Iterator[int]:
    handle = os.open(path, os.O_RDONLY)
    try:
        yield handle
    finally:
        os.close(handle)


def _enter(network: int) -> None:
    """Have this thread open its sockets in a network namespace (setns(2); Python has it from 3.12 on)."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(network, _CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "setns")
