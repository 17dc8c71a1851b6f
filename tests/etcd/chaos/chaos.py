#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# Copyright (c) 2026 The named_lock authors
"""Three etcd members and ten clients, each in a network namespace of its own, and everything that can happen to them.

    chaos.py CLIENT_PROGRAM [--minutes N] [--seed N] [--naive] [--clients N]

Kills and stops of members and clients, members and clients cut off silently, for less and for more than the leases last.
Then it reads what the clients wrote and requires that

  - intervals in which clients believed to hold the lock never overlap,
  - tokens grow from each holder to the next,
  - nobody waited for longer than its time-out + 0.2 s (stops of the client itself left out),
  - the queue and the leases are gone at the end.

--naive runs the negative control in the clients' place, for which it succeeds only if it finds overlaps or tokens out
of order. Needs root, iproute2, etcd and etcdctl; leaves nothing behind.
"""

import argparse
import atexit
import os
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time

TTL = 5
MEMBERS = 3
LATEST = 0.2  # seconds after its time-out at which a waiter must be back


def sh(*words, check=True):
    done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if check and done.returncode:
        sys.exit(f"chaos.py: {' '.join(words)}: {done.stdout}")
    return done.stdout


class Network:
    """A bridge, and namespaces at it. Addresses 10.197.N.x, N by our pid, so that runs do not meet."""

    def __init__(self):
        self.id = os.getpid() % 50000
        self.net = f"10.197.{self.id % 250}"
        self.bridge = f"nlb{self.id}"
        self.spaces = []
        atexit.register(self.remove)
        sh("ip", "link", "add", self.bridge, "type", "bridge")
        sh("ip", "link", "set", self.bridge, "up")

    def add(self):
        number = len(self.spaces) + 1
        space = f"nls{self.id}_{number}"
        outer, inner = f"nlo{self.id}_{number}"[:15], "eth0"
        self.spaces.append((space, outer))
        sh("ip", "netns", "add", space)
        sh("ip", "link", "add", outer, "type", "veth", "peer", "name", inner, "netns", space)
        sh("ip", "link", "set", outer, "master", self.bridge)
        sh("ip", "link", "set", outer, "up")
        for words in (["addr", "add", f"{self.net}.{number}/24", "dev", inner], ["link", "set", inner, "up"],
                      ["link", "set", "lo", "up"]):
            sh("ip", "-n", space, *words)
        return space, outer, f"{self.net}.{number}"

    def remove(self):
        for space, outer in self.spaces:
            sh("ip", "link", "del", outer, check=False)
            sh("ip", "netns", "del", space, check=False)
        sh("ip", "link", "del", self.bridge, check=False)


def die_with_us():
    import ctypes
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


def start(space, words, log):
    return subprocess.Popen(["ip", "netns", "exec", space, *words], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                            preexec_fn=die_with_us)


class Member:
    def __init__(self, network, directory, number):
        self.space, self.link, self.ip = network.add()
        self.name = f"m{number}"
        self.directory = directory
        self.process = None

    def peer(self):
        return f"http://{self.ip}:2380"

    def url(self):
        return f"http://{self.ip}:2379"

    def start(self, members, state):
        with open(self.directory / f"{self.name}.log", "a") as log:
            self.process = start(self.space, [
                "etcd", "--name", self.name, "--data-dir", str(self.directory / self.name), "--pre-vote",
                "--listen-client-urls", self.url(), "--advertise-client-urls", self.url(),
                "--listen-peer-urls", self.peer(), "--initial-advertise-peer-urls", self.peer(),
                "--initial-cluster", ",".join(f"{m.name}={m.peer()}" for m in members),
                "--initial-cluster-state", state, "--unsafe-no-fsync"], log)

    def signal(self, number):
        self.process.send_signal(number)


class Client:
    def __init__(self, network, directory, number):
        self.space, self.link, _ = network.add()
        self.log = directory / f"client{number}"
        self.directory = directory
        self.process = None

    def start(self, program, urls, naive):
        with open(self.directory / "clients.log", "a") as log:
            self.process = start(self.space, [program, urls, "chaos/", str(self.log)] + (["naive"] if naive else []), log)

    def signal(self, number):
        self.process.send_signal(number)


class Chaos:
    def __init__(self, options, directory):
        self.options = options
        self.random = random.Random(options.seed)
        self.network = Network()
        self.members = [Member(self.network, directory, i) for i in range(MEMBERS)]
        self.clients = [Client(self.network, directory, i) for i in range(options.clients)]
        self.admin = self.network.add()[0]
        self.urls = ",".join(m.url() for m in self.members)
        self.stopped = False
        for member in self.members:
            member.start(self.members, "new")
        self.until_healthy()
        for client in self.clients:
            self.start(client)

    def start(self, client):
        client.start(self.options.client, self.urls, self.options.naive)

    def etcdctl(self, *words, endpoints=None):
        return sh("ip", "netns", "exec", self.admin, "env", "ETCDCTL_API=3", "etcdctl", "--dial-timeout=2s",
                  "--command-timeout=3s", "--endpoints", endpoints or self.urls, *words, check=False)

    def until_healthy(self):
        end = time.monotonic() + 60
        while time.monotonic() < end:
            if self.etcdctl("endpoint", "health").count("is healthy") == MEMBERS:
                return
            time.sleep(0.2)
        sys.exit("chaos.py: the cluster does not become healthy")

    def leader(self):
        for member in self.members:
            fields = self.etcdctl("endpoint", "status", "-w", "fields", endpoints=member.url())
            found = dict(line.split(" : ") for line in fields.splitlines() if " : " in line)
            if found and found.get('"MemberID"') == found.get('"Leader"'):
                return member
        return self.random.choice(self.members)

    # ---- what can happen; each makes it good again ----

    def short_or_long(self):
        return self.random.choice([0.7, 2.0, TTL + 2.5])

    def kill_member(self, member):
        member.signal(signal.SIGKILL)
        member.process.wait()
        time.sleep(self.random.choice([0.1, 2.0]))
        member.start(self.members, "existing")

    def stop(self, who):
        who.signal(signal.SIGSTOP)
        time.sleep(self.short_or_long())
        who.signal(signal.SIGCONT)

    def cut_off(self, who):
        sh("ip", "link", "set", who.link, "down")
        time.sleep(self.short_or_long())
        sh("ip", "link", "set", who.link, "up")

    def cut_apart(self, one, other):
        """The two do not reach each other any more, all else does: a neighbour entry that is wrong, on both sides."""
        for a, b in ((one, other), (other, one)):
            sh("ip", "-n", a.space, "neigh", "replace", b.ip, "lladdr", "02:00:00:00:00:99", "dev", "eth0", "nud",
               "permanent")
        time.sleep(self.short_or_long())
        for a, b in ((one, other), (other, one)):
            sh("ip", "-n", a.space, "neigh", "del", b.ip, "dev", "eth0")

    def kill_client(self):
        client = self.random.choice(self.clients)
        client.signal(signal.SIGKILL)
        client.process.wait()
        time.sleep(0.2)
        self.start(client)

    def faults(self):
        client = lambda: self.random.choice(self.clients)
        follower = lambda: self.random.choice(self.members)
        return {
            "leader killed": lambda: self.kill_member(self.leader()),
            "leader stopped": lambda: self.stop(self.leader()),
            "leader cut off": lambda: self.cut_off(self.leader()),
            "member killed": lambda: self.kill_member(follower()),
            "member cut off": lambda: self.cut_off(follower()),
            "members cut apart": lambda: self.cut_apart(*self.random.sample(self.members, 2)),
            "client cut off": lambda: self.cut_off(client()),
            "client stopped": lambda: self.stop(client()),
            "client killed": self.kill_client,
            "clients stopped": lambda: self.stop_some(),
            "all members restarted": self.restart_all,
        }

    def stop_some(self):
        some = self.random.sample(self.clients, min(4, len(self.clients)))
        for client in some:
            client.signal(signal.SIGSTOP)
        time.sleep(TTL + 2.5)
        for client in some:
            client.signal(signal.SIGCONT)

    def restart_all(self):
        for member in self.members:
            member.signal(signal.SIGKILL)
            member.process.wait()
        time.sleep(0.5)
        for member in self.members:
            member.start(self.members, "existing")

    def run(self):
        end = time.monotonic() + 60 * self.options.minutes
        counts = {}
        turn = []
        while time.monotonic() < end:
            if not turn:  # each of them before any comes again
                turn = list(self.faults().items())
                self.random.shuffle(turn)
            name, fault = turn.pop()
            fault()
            counts[name] = counts.get(name, 0) + 1
            for client in self.clients:
                if client.process.poll() is not None:
                    sys.exit(f"chaos.py: a client ended with {client.process.returncode} after '{name}'")
            time.sleep(self.random.uniform(0.3, 2.0))
            if self.options.naive and any(check(self.clients, quiet=True)[1:3]):
                break  # caught
        self.until_healthy()
        time.sleep(1)
        for client in self.clients:
            client.signal(signal.SIGTERM)
        for client in self.clients:
            client.process.wait(60)
        return counts

    def left(self):
        """What is left of queue and leases after the last lease must have ended."""
        end = time.monotonic() + TTL + 10
        while True:
            keys = self.etcdctl("get", "--prefix", "--keys-only", "chaos").split()
            leases = self.etcdctl("lease", "list")
            if not keys and "found 0 leases" in leases or time.monotonic() > end:
                return keys, leases
            time.sleep(0.5)

    def end(self):
        for one in self.clients + self.members:
            if one.process and one.process.poll() is None:
                one.signal(signal.SIGKILL)
                one.process.wait()


def check(clients, quiet=False):
    holds, late, waits, errors = [], 0.0, 0, []
    for client in clients:
        if not client.log.exists():
            continue
        for line in client.log.read_text().splitlines():
            kind, *words = line.split(" ", 1 if line.startswith("error") else -1)
            if kind == "hold" and len(words) == 3:
                holds.append(tuple(map(int, words)) + (client.log.name,))
            elif kind == "wait" and len(words) == 3:
                waits += 1
                asked, took, stalled = map(int, words)
                own = (took - asked - stalled) / 1e9
                if own > LATEST and not quiet:
                    print(f"  late: {client.log.name} asked for {asked / 1e9:.3f} s and took {took / 1e9:.3f} s, "
                          f"stopped for {stalled / 1e9:.3f} s of it")
                late = max(late, own)
            elif kind == "error":
                errors.append(words[0])
    holds.sort()
    overlaps = disorders = 0
    latest = (0, 0, 0, "")
    gap = 0.0
    for hold in holds:
        if latest[1] > hold[0]:
            overlaps += 1
            quiet or print(f"  overlap: {latest} and {hold}")
        elif latest[1]:
            gap = max(gap, (hold[0] - latest[1]) / 1e9)
        if hold[2] <= latest[2]:
            disorders += 1
            quiet or print(f"  tokens out of order: {latest} and {hold}")
        if hold[1] > latest[1]:
            latest = hold
    return len(holds), overlaps, disorders, gap, waits, late, errors


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("client")
    parser.add_argument("--minutes", type=float, default=1)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--clients", type=int, default=10)
    parser.add_argument("--naive", action="store_true")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    directory = pathlib.Path(tempfile.mkdtemp(prefix="named_lock_chaos."))
    atexit.register(shutil.rmtree, directory, True)

    chaos = Chaos(options, directory)
    atexit.register(chaos.end)
    counts = chaos.run()
    keys, leases = chaos.left()
    count, overlaps, disorders, gap, waits, late, errors = check(chaos.clients)

    print(f"seed {options.seed}, {options.minutes:g} min, {options.clients} clients; "
          + ", ".join(f"{name} {n}" for name, n in sorted(counts.items())))
    print(f"acquisitions {count}, overlaps {overlaps}, tokens out of order {disorders}, longest gap {gap:.1f} s; "
          f"time-outs {waits}, the latest by {late * 1000:.0f} ms; errors {len(errors)}; left: {len(keys)} keys")
    if options.naive:
        if not overlaps and not disorders:
            sys.exit("chaos.py: the negative control was not caught: the checker sees nothing")
        print("the negative control was caught")
        return
    for error in errors[:5]:
        print(f"  error: {error}")
    problems = []
    if count < 20 * options.minutes:
        problems.append("hardly anything was acquired")
    if overlaps or disorders or errors:
        problems.append("the lock failed")
    if keys or "found 0 leases" not in leases:
        problems.append(f"left behind: {keys} {leases}")
    if late > LATEST:
        problems.append(f"somebody waited {late:.1f} s longer than asked")
    if problems:
        sys.exit("chaos.py: " + "; ".join(problems))


main()
