#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# Copyright (c) 2026 The named_lock authors
"""Measures etcd_lock on servers of its own, with their data on the disk: benchmark.py PROGRAM [WHAT...]

WHAT is one (one node), three (three nodes), crowd, timeout, wait, keep, dead; all unless said otherwise.
"""

import os
import pathlib
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time


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

    def etcdctl(self, *words):
        return subprocess.run(self.command(*words), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def end(self):
        for member in self.members:
            member.kill()
            member.wait()


def start(words):
    return subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def until_queued(cluster, key, wanted):
    while cluster.etcdctl("get", "--prefix", "--keys-only", key).stdout.count(key) < wanted:
        time.sleep(0.002)


def handoff_to_etcdctl(program, cluster, rounds):
    times = []
    for i in range(rounds):
        name = f"etcdctl{i}"
        holder = start(cluster.command("lock", name))
        holder.stdout.readline()
        waiter = start(cluster.command("lock", name))
        until_queued(cluster, name + "/", 2)
        time.sleep(0.015)
        begin = time.monotonic()
        holder.terminate()
        waiter.stdout.readline()
        times.append((time.monotonic() - begin) * 1000)
        waiter.terminate()
        holder.wait()
        waiter.wait()
    print(f"hand-off between two etcdctl lock                  median {statistics.median(times):8.3f} ms   n={rounds}")


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


def main():
    program, wanted = sys.argv[1], sys.argv[2:] or ["one", "three", "crowd", "timeout", "wait", "keep", "dead"]
    directory = pathlib.Path(tempfile.mkdtemp(prefix="named_lock_benchmark."))
    cluster = None
    try:
        if "three" in wanted:
            cluster = Cluster(directory, 3)
            print("-- three nodes", flush=True)
            subprocess.run([program, "basic", cluster.urls], check=True)
            handoff_to_etcdctl(program, cluster, 10)
            cluster.end()
        cluster = Cluster(directory, 1)
        print("-- one node", flush=True)
        for what in wanted:
            if what == "one":
                subprocess.run([program, "basic", cluster.urls], check=True)
                handoff_to_etcdctl(program, cluster, 10)
            elif what == "crowd":
                subprocess.run([program, "crowd", cluster.urls, "64"], check=True)
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
