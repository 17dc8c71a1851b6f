// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
//
// A member of a crowd that locks with gofrs/flock: peer FILE BOARD INDEX MICROSECONDS
// It writes down its sections and its longest wait on the board of contest.hpp.
package main

import (
	"os"
	"strconv"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"

	"github.com/gofrs/flock"
)

const (
	ready = iota
	sections
	longestWait
	askingSince
	waits
)

const (
	classes = 100
	size    = 8 * (8 + 1024*(waits+classes))
)

func check(err error) {
	if err != nil {
		panic(err)
	}
}

func main() {
	index, err := strconv.Atoi(os.Args[3])
	check(err)
	microseconds, err := strconv.Atoi(os.Args[4])
	check(err)
	file, err := os.OpenFile(os.Args[2], os.O_RDWR, 0)
	check(err)
	memory, err := syscall.Mmap(int(file.Fd()), 0, size, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_SHARED)
	check(err)
	board := unsafe.Slice((*int64)(unsafe.Pointer(&memory[0])), size/8)
	mine := board[8+index*(waits+classes):]

	lock := flock.New(os.Args[1])
	atomic.StoreInt64(&mine[ready], 1)
	for atomic.LoadInt64(&board[0]) == 0 {
		time.Sleep(time.Millisecond)
	}
	for atomic.LoadInt64(&board[0]) == 1 {
		asked := time.Now()
		check(lock.Lock())
		granted := time.Now()
		if wait := int64(granted.Sub(asked)); wait > mine[longestWait] {
			atomic.StoreInt64(&mine[longestWait], wait)
		}
		for time.Since(granted) < time.Duration(microseconds)*time.Microsecond {
		}
		atomic.AddInt64(&mine[sections], 1)
		check(lock.Unlock())
	}
}
