package linux

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"testing"

	"emurace/loader"
)

// A fuzz input is a series of calls: a byte for the thread, one for the call,
// and for every argument a byte that says what it is and, for a number, eight
// more.

// values are what hostile arguments are made of.
func (f *fixture) values() []uint64 {
	return []uint64{0, 1, 2, 3, 8, 64, minus1, minus1 - 99, 1 << 31, 1<<32 - 1, 1 << 46, 1 << 47, 1 << 63,
		area, area + 1, area + areaSize - 4, area + areaSize, unmapped, lowBase, highBase, highBase + zoneSize - page, topAddr, mmapTop - page,
		page, 3 * page, 1 << 20, heapBase, heapEnd, hostileEnd, anon, anonFixed, noreplace, threadFlags, threadFlags | 0x1380000, FirstTID, FirstTID + 1,
		f.str("/etc/motd"), f.str("/bin/link"), f.str("../../../etc/passwd"), f.put(twoWords(1, 1)), f.put(twoWords(area, 100))}
}

// decode turns fuzz bytes into the next call.
func (f *fixture) decode(data []byte, values []uint64) (c Call, rest []byte) {
	next := func() byte {
		if len(data) == 0 {
			return 0
		}
		b := data[0]
		data = data[1:]
		return b
	}
	c.Thread = int(next()) % f.Limits.Threads
	e := calls[int(next())%len(calls)]
	n := e.amd64
	if f.Arch == loader.ARM64 {
		n = e.arm64
	}
	c.Number = uint64(n) // -1 is a number too
	for i := range c.Args {
		if k := int(next()); k < len(values) {
			c.Args[i] = values[k]
			continue
		}
		var b [8]byte
		data = data[copy(b[:], data):]
		c.Args[i] = binary.LittleEndian.Uint64(b[:])
	}
	return c, data
}

// FuzzSyscall: no series of system calls, however senseless, makes the kernel
// panic, fail, or break what always holds: threads that wait are the waiters,
// mappings agree with the page table, a result is delivered, whatever changes is noted,
// and a snapshot brings everything back.
func FuzzSyscall(f *testing.F) {
	for i := range calls {
		f.Add(uint8(1), []byte{0, byte(i), 13, 24, 3, 29, 6, 0})
		f.Add(uint8(2), []byte{0, byte(i), 37, 13, 23, 0, 0, 1, 1, byte(i), 24, 23, 23, 1, 0, 0})
		f.Add(uint8(1), []byte{0, 6, 33, 0, 0, 0, 0, 0, 1, byte(i), 7, 13, 13, 13, 25, 13, 0, byte(i), 36, 0, 0, 0, 0, 0})
	}
	f.Fuzz(func(t *testing.T, which uint8, data []byte) {
		arch := loader.ARM64
		if which%2 == 0 {
			arch = loader.AMD64
		}
		k := newFixture(t, arch)
		values := k.values()
		start := k.Snapshot()
		before := copyState(start)
		for range 64 {
			if len(data) == 0 || k.State().Exited {
				break
			}
			var c Call
			c, data = k.decode(data, values)
			if k.State().Status(c.Thread) != Runnable {
				continue // only a running thread makes calls
			}
			k.mem.steps++
			was := k.State().clone()
			r, err := k.Do(c)
			if err != nil {
				t.Fatalf("%+v: %v", c, err)
			}
			for _, w := range changes(was, k.State(), c.Thread) {
				if !slices.Contains(r.Objects, w) {
					t.Fatalf("%+v changes %+v and notes %+v", c, w, r.Objects)
				}
			}
			k.check(t, c, r)
		}
		checkMappings(t, k)
		if got := copyState(start); got != before {
			t.Fatalf("the snapshot changed:\n%s\n%s", before, got)
		}
	})
}

// copyState writes all of a state down; maps print in order of their keys.
func copyState(s *State) string { return fmt.Sprintf("%+v", *s) }

// check is what holds after every call.
func (f *fixture) check(t *testing.T, c Call, r Result) {
	t.Helper()
	if r.Effect == Returns && f.threads.result[c.Thread] != r.Value {
		t.Fatalf("%+v: %+v is not in the thread's register", c, r)
	}
	if v := int64(r.Value); r.Effect == Returns && v < 0 && v >= -4095 && -v > int64(EINPROGRESS) {
		t.Fatalf("%+v: errno %d is none of ours", c, -v)
	}
	waits := map[int]int{}
	for _, w := range f.State().Waiters {
		waits[w.Thread]++
	}
	for n, task := range f.State().Tasks {
		if (task.Status == Blocked) != (waits[n] == 1) || waits[n] > 1 {
			t.Fatalf("%+v: thread %d has status %d and waits %d times", c, n, task.Status, waits[n])
		}
		if alive := task.Status == Runnable || task.Status == Blocked; alive != f.threads.alive[n] && !f.State().Exited {
			t.Fatalf("%+v: thread %d has status %d, alive %v", c, n, task.Status, f.threads.alive[n])
		}
	}
	size := 0
	for _, o := range f.State().Output() {
		size += len(o.Data)
	}
	if size > f.Limits.Output || len(f.State().FDs) > f.Limits.Files {
		t.Fatalf("%+v: %d bytes of output, %d descriptors", c, size, len(f.State().FDs))
	}
	for _, fd := range f.State().FDs {
		if fd.Kind != fdClosed && !fd.Kind.waitable() && fd.Path != "" && (!strings.HasPrefix(fd.Path, "/") || slices.Contains(strings.Split(fd.Path, "/"), "..")) {
			t.Fatalf("%+v: descriptor of %q", c, fd.Path)
		}
	}
}
