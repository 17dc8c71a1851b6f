# SPDX-License-Identifier: MIT
# Copyright (c) 2026 The named_lock authors
"""The other program of the interoperation tests: peer.py WAY WORK_DIR

Locks WORK_DIR/locks/NAME.lock, as Jam.py does, in one of these ways:

    filelock     filelock.FileLock
    subclass     a class derived from it with a time-out of its own, as Jam.py has one
    portalocker  portalocker.Lock
    flock        the program flock(1), which holds the lock while it waits for a line

and understands the first group of commands in ../support/worker_protocol.hpp, line by line.
"""
import os
import select
import subprocess
import sys
import threading
import time

import filelock
import portalocker

EXIT_UNKNOWN_COMMAND = 64
EXIT_ORPHANED = 71
POLL_INTERVAL = 0.001


def end_with_input():
    """A peer that is blocked in a lock must not outlive its test."""

    def watch():
        poll = select.poll()
        poll.register(0, 0)  # only for its end
        poll.poll()
        os._exit(EXIT_ORPHANED)

    threading.Thread(target=watch, daemon=True).start()


def say(line):
    print(line, flush=True)


# Each way is a class whose objects are locks: acquire(seconds, shared) -> whether it has it now; release().
# A negative time is for ever, zero is one attempt.


class Filelock:
    def __init__(self, path):
        self.lock = self.make(path)

    def make(self, path):
        return filelock.FileLock(path)

    def acquire(self, seconds, shared):
        if shared:
            raise ValueError("filelock has no shared locks")
        try:
            self.lock.acquire(seconds, poll_interval=POLL_INTERVAL)
        except filelock.Timeout:
            return False
        return True

    def release(self):
        self.lock.release()


class OwnLock(filelock.FileLock):
    def __init__(self, path, timeout):
        super().__init__(path, timeout=timeout)
        self.acquired = 0

    def acquire(self, *args, **kwargs):
        proxy = super().acquire(*args, **kwargs)
        self.acquired += 1
        return proxy


class Subclass(Filelock):
    def make(self, path):
        return OwnLock(path, -1)

    def acquire(self, seconds, shared):
        if shared:
            raise ValueError("filelock has no shared locks")
        self.lock.timeout = seconds
        try:
            self.lock.acquire()
        except filelock.Timeout:
            return False
        return True


class Portalocker:
    def __init__(self, path):
        self.path = path

    def acquire(self, seconds, shared):
        flags = portalocker.LockFlags.SHARED if shared else portalocker.LockFlags.EXCLUSIVE
        if seconds < 0:
            self.lock = portalocker.Lock(self.path, timeout=None, flags=flags)
        else:
            self.lock = portalocker.Lock(
                self.path,
                timeout=seconds,
                check_interval=POLL_INTERVAL,
                fail_when_locked=seconds == 0,
                flags=flags | portalocker.LockFlags.NON_BLOCKING,
            )
        try:
            self.lock.acquire()
        except (portalocker.LockException, portalocker.AlreadyLocked):
            return False
        return True

    def release(self):
        self.lock.release()


class Flock:
    def __init__(self, path):
        self.path = path

    def acquire(self, seconds, shared):
        command = ["flock", "--shared" if shared else "--exclusive"]
        if seconds >= 0:
            command += ["--timeout", str(seconds)] if seconds > 0 else ["--nonblock"]
        command += [self.path, "--command", "echo in; read line"]
        self.program = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        if self.program.stdout.readline() == b"in\n":
            return True
        self.program.communicate()
        return False

    def release(self):
        self.program.communicate(b"\n")


WAYS = {"filelock": Filelock, "subclass": Subclass, "portalocker": Portalocker, "flock": Flock}


class CounterFile:
    """The same as ../support/counter_file.hpp."""

    WIDTH = 8

    def __init__(self, path):
        self.fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)

    def read(self, half):
        return int(os.pread(self.fd, self.WIDTH, half * self.WIDTH) or 0)

    def write(self, half, value):
        os.pwrite(self.fd, str(value).zfill(self.WIDTH).encode(), half * self.WIDTH)

    def add_one(self):
        first, second = self.read(0), self.read(1)
        self.write(0, first + 1)
        os.sched_yield()
        self.write(1, second + 1)
        return first == second

    def is_whole(self):
        first = self.read(0)
        os.sched_yield()
        return first == self.read(1)


class Peer:
    def __init__(self, way, work_dir):
        self.way = way
        self.work_dir = work_dir
        self.holds = []

    def new_lock(self, name):
        """As Jam.py: a new object for each use, in a directory made on demand."""
        locks_dir = os.path.join(self.work_dir, "locks")
        os.makedirs(locks_dir, exist_ok=True)
        return self.way(os.path.join(locks_dir, name + ".lock"))

    def take(self, name, milliseconds, shared):
        lock = self.new_lock(name)
        success = lock.acquire(0, shared)
        if not success and milliseconds != 0:
            say("waiting")
            success = lock.acquire(milliseconds / 1000 if milliseconds > 0 else -1, shared)
        if success:
            self.holds.append(lock)
        return success

    def acquire(self, text, shared=False):
        milliseconds, name = text.split(" ", 1)
        return "ok" if self.take(name, int(milliseconds), shared) else "timeout"

    def acquire_shared(self, text):
        return self.acquire(text, shared=True)

    def try_(self, name, shared=False):
        return "ok" if self.take(name, 0, shared) else "busy"

    def try_shared(self, name):
        return self.try_(name, shared=True)

    def release(self, _):
        self.holds.pop().release()
        return "ok"

    def release_after(self, microseconds):
        end = time.monotonic_ns() + int(microseconds) * 1000
        while time.monotonic_ns() < end:
            pass
        return self.release("")

    def repeat(self, text, shared):
        times, file, name = text.split(" ", 2)
        counter = CounterFile(file)
        for _ in range(int(times)):
            lock = self.new_lock(name)
            if not lock.acquire(-1, shared):
                return "violated"
            fine = counter.is_whole() if shared else counter.add_one()
            lock.release()
            if not fine:
                return "violated"
        return "ok"

    def count(self, text):
        return self.repeat(text, shared=False)

    def compare(self, text):
        return self.repeat(text, shared=True)

    COMMANDS = {
        "acquire": acquire,
        "acquire_shared": acquire_shared,
        "try": try_,
        "try_shared": try_shared,
        "release": release,
        "release_after": release_after,
        "count": count,
        "compare": compare,
    }

    def run(self):
        for line in iter(sys.stdin.readline, ""):
            verb, _, rest = line.rstrip("\n").partition(" ")
            if verb == "exit":
                return 0
            if verb not in self.COMMANDS:
                print("peer: unknown command:", line, file=sys.stderr)
                return EXIT_UNKNOWN_COMMAND
            say(self.COMMANDS[verb](self, rest))
        return EXIT_ORPHANED


if __name__ == "__main__":
    end_with_input()
    sys.exit(Peer(WAYS[sys.argv[1]], sys.argv[2]).run())
