#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# Copyright (c) 2026 The named_lock authors
"""Measures etcd_lock on servers of its own, with their data on the disk: benchmark.py PROGRAM [WHAT...]

WHAT is one (one node), three (three nodes), crowd, timeout, wait, keep, dead; all unless said otherwise.
"""

import base64
import json
import pathlib
import re
import resource
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request


class Cluster:
    def __init__(self, directory, size):
        sockets = [socket.socket() for _ in range(2 * size)]
        for s in sockets:
            s.bind(("127.0.0.1", 0))
        ports = [s.getsockname()[1] for s in sockets]
        for s in sockets:
            s.close()
        peers = [f"m{i}=http://127.0.0.1:{ports[2 * i]}" for i in range(size)]
        urls = [f"http://127.0.0.1:{ports[2 * i + 1]}" for i in range(size)]
        self.urls = ",".join(urls)
        self.members = []
        for i in range(size):
            name, peer = peers[i].split("=")
            self.members.append(subprocess.Popen(
                ["etcd", "--name", name, "--data-dir", str(directory / f"{name}of{size}"), "--listen-client-urls", urls[i],
                 "--advertise-client-urls", urls[i], "--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer,
                 "--initial-cluster", ",".join(peers)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
        while self.etcdctl("endpoint", "health").returncode:
            time.sleep(0.1)

    def command(self, *words):
        return ["env", "ETCDCTL_API=3", "etcdctl", "--endpoints", self.urls, *words]

    def ask(self, path, request=None):
        body = None if request is None else json.dumps(request).encode()
        with urllib.request.urlopen(self.urls.split(",")[0] + path, body) as answer:
            return answer.read().decode()

    def spent(self):
        """What the first member has done so far: commits, fsyncs, seconds of processor time; and our children's."""
        metrics = self.ask("/metrics")
        value = lambda name: float(re.search(rf"^{name} (\S+)", metrics, re.M).group(1))
        times = pathlib.Path(f"/proc/{self.members[0].pid}/stat").read_text().rsplit(")", 1)[1].split()
        ours = resource.getrusage(resource.RUSAGE_CHILDREN)
        return (value("etcd_server_proposals_committed_total"), value("etcd_disk_wal_fsync_duration_seconds_count"),
                (int(times[11]) + int(times[12])) / 100, ours.ru_utime + ours.ru_stime)

    def etcdctl(self, *words):
        return subprocess.run(self.command(*words), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def end(self):
        for member in self.members:
            member.kill()
            member.wait()


def start(words):
    return subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def until_queued(cluster, key, wanted):
    in_base64 = lambda text: base64.b64encode(text.encode()).decode()
    request = {"key": in_base64(key), "range_end": in_base64(key[:-1] + chr(ord(key[-1]) + 1)), "count_only": True}
    while int(json.loads(cluster.ask("/v3/kv/range", request)).get("count", 0)) < wanted:
        time.sleep(0.001)


def handoff_to_etcdctl(cluster, rounds, after):
    """Its time depends on how long the waiter has waited: etcdctl watches from a revision in the past."""
    times = []
    for i in range(rounds):
        name = f"etcdctl{after}.{i}"
        holder = start(cluster.command("lock", name))
        holder.stdout.readline()
        waiter = start(cluster.command("lock", name))
        until_queued(cluster, name + "/", 2)
        time.sleep(after / 1000)
        begin = time.monotonic()
        holder.terminate()
        waiter.stdout.readline()
        times.append((time.monotonic() - begin) * 1000)
        waiter.terminate()
        holder.wait()
        waiter.wait()
    print(f"hand-off of etcdctl lock, after {after} ms of waiting".ljust(45)
          + f"median {statistics.median(times):8.3f} ms   n={rounds}")


def in_processes(program, cluster, what, size):
    """What a section, or a round of bare requests, costs: the server's part of it is the floor."""
    before = cluster.spent()
    said = subprocess.run([program, what, cluster.urls, str(size)], stdout=subprocess.PIPE, text=True, check=True).stdout
    rounds = 10 * int(re.search(r": (\d+) \w+/s", said).group(1))
    commits, fsyncs, server, ours = ((b - a) / rounds for a, b in zip(before, cluster.spent()))
    print(f"{said}... each {commits:.2f} commits, {fsyncs:.2f} fsyncs, {server * 1000:.2f} ms of the server's processor "
          f"time, {ours * 1000:.2f} ms of the clients'")


def dead_holder(program, cluster):
    holder = start([program, "hold", cluster.urls, "dead"])
    holder.stdout.readline()
    prefix = f"benchmark{holder.pid}/"
    waiter = start(cluster.command("lock", prefix + "dead"))
    until_queued(cluster, prefix + "dead/", 2)
    holder.kill()
    begin = time.monotonic()
    waiter.stdout.readline()
    print(f"a dead holder, ttl 15 s: next grant after {time.monotonic() - begin:.2f} s")
    waiter.terminate()
    waiter.wait()


def timeouts(program, cluster):
    run = start([program, "timeout", cluster.urls])
    for line in run.stdout:
        if line.startswith("stop it"):
            for member in cluster.members:
                member.send_signal(signal.SIGSTOP)
            run.stdin.write("\n")
            run.stdin.flush()
        else:
            print(line, end="", flush=True)
    for member in cluster.members:
        member.send_signal(signal.SIGCONT)
    run.wait()
    with socket.socket() as cut_off, socket.socket() as one, socket.socket() as another:
        cut_off.bind(("127.0.0.1", 0))
        cut_off.listen(0)
        for s in (one, another):  # more are neither taken nor refused
            s.setblocking(False)
            s.connect_ex(cut_off.getsockname())
        subprocess.run([program, "silent", f"http://127.0.0.1:{cut_off.getsockname()[1]}"], check=True)


def main():
    program, wanted = sys.argv[1], sys.argv[2:] or ["one", "three", "crowd", "timeout", "wait", "keep", "dead"]
    directory = pathlib.Path(tempfile.mkdtemp(prefix="named_lock_benchmark."))
    cluster = None
    try:
        if "three" in wanted:
            cluster = Cluster(directory, 3)
            print("-- three nodes", flush=True)
            subprocess.run([program, "basic", cluster.urls], check=True)
            for after in 15, 250:
                handoff_to_etcdctl(cluster, 10, after)
            cluster.end()
        cluster = Cluster(directory, 1)
        print("-- one node", flush=True)
        for what in wanted:
            if what == "one":
                subprocess.run([program, "basic", cluster.urls], check=True)
                for after in 15, 250:
                    handoff_to_etcdctl(cluster, 10, after)
            elif what == "crowd":
                in_processes(program, cluster, "bare", 1)
                in_processes(program, cluster, "crowd", 64)
            elif what == "wait":
                subprocess.run([program, "wait", cluster.urls], check=True)
            elif what == "keep":
                subprocess.run([program, "keep", cluster.urls, "1000"], check=True)
            elif what == "timeout":
                timeouts(program, cluster)
            elif what == "dead":
                dead_holder(program, cluster)
            sys.stdout.flush()
    finally:
        if cluster:
            cluster.end()
        shutil.rmtree(directory)


main()
