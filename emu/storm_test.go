package emu

import (
	"fmt"
	"slices"
	"testing"

	"emurace/emu/internal/linux"
)

// deadline places the virtual real-time clock's time in some seconds from now.
func (p *process) deadline(seconds uint64) uint64 {
	p.t.Helper()
	at := p.bytes(make([]byte, 16))
	p.call(0, "clock_gettime", 0, at)
	if err := p.Write(0, at, le.AppendUint64(nil, p.word(at)+seconds)); err != nil {
		p.t.Fatal(err)
	}
	return at
}

// waits runs a thread's call until it waits in the kernel.
func (p *process) waits(t int, fn string, args ...uint64) {
	p.t.Helper()
	p.begin(t, fn, args...)
	if s := p.run(t, BootInstructions); s.Kind != Waits {
		p.t.Fatalf("%s: %v", fn, s)
	}
}

// TestTimedWaits: each way to wait until a deadline ends with ETIMEDOUT when nobody
// else can run, and the virtual clock then shows the deadline.
func TestTimedWaits(t *testing.T) {
	eachSystem(t, func(t *testing.T, p *process) {
		w := p.spawn("worker")
		object := func() uint64 { return p.bytes(make([]byte, 128)) }
		locked, cond, rwlock, semaphore := object(), object(), object(), object()
		p.call(0, "pthread_mutex_lock", locked)
		p.call(0, "pthread_rwlock_wrlock", rwlock)
		p.call(0, "sem_init", semaphore, 0, 0)
		own := object()
		for _, c := range []struct {
			fn   string
			args []uint64
		}{
			{"pthread_mutex_timedlock", []uint64{locked}},
			{"pthread_cond_timedwait", []uint64{cond, own}},
			{"pthread_rwlock_timedrdlock", []uint64{rwlock}},
			{"pthread_rwlock_timedwrlock", []uint64{rwlock}},
			{"sem_timedwait", []uint64{semaphore}},
		} {
			if c.fn == "pthread_cond_timedwait" {
				p.call(w, "pthread_mutex_lock", own)
			}
			until := p.deadline(3)
			p.waits(w, c.fn, append(slices.Clone(c.args), until)...)
			if a, err := p.Advance(true); len(a.Woke) != 1 || err != nil {
				t.Fatalf("%s: expire: %v, %v", c.fn, a, err)
			}
			rc := p.finish(w)
			if c.fn == "sem_timedwait" && int32(rc) == -1 {
				rc = p.word(p.call(w, "__errno_location")) & 0xffffffff
			}
			if rc != uint64(linux.ETIMEDOUT) {
				t.Errorf("%s: %d", c.fn, int32(rc))
			}
			if now := p.word(p.deadline(0)); now != p.word(until) {
				t.Errorf("%s: the clock shows %d, want %d", c.fn, now, p.word(until))
			}
		}
		p.checkKnown()
	})
}

// TestWaitingForEachOther: reader and writer locks, a barrier, a semaphore, and
// pthread_once whose function another thread is in.
func TestWaitingForEachOther(t *testing.T) {
	eachSystem(t, func(t *testing.T, p *process) {
		a, b := p.spawn("a"), p.spawn("b")
		object := func() uint64 { return p.bytes(make([]byte, 128)) }
		ok := func(what string, rc uint64) {
			t.Helper()
			if rc != 0 {
				t.Errorf("%s: %d", what, int32(rc))
			}
		}

		lock := object()
		ok("rdlock", p.call(0, "pthread_rwlock_rdlock", lock))
		ok("rdlock of another", p.call(a, "pthread_rwlock_rdlock", lock))
		p.waits(b, "pthread_rwlock_wrlock", lock)
		ok("unlock", p.call(a, "pthread_rwlock_unlock", lock))
		if p.Runnable(b) {
			t.Error("the writer goes on while there is a reader")
		}
		ok("unlock", p.call(0, "pthread_rwlock_unlock", lock))
		ok("wrlock", p.finish(b))
		if rc := p.call(a, "pthread_rwlock_tryrdlock", lock); rc != 16 { // EBUSY
			t.Errorf("tryrdlock: %d", rc)
		}

		barrier := object()
		ok("barrier_init", p.call(0, "pthread_barrier_init", barrier, 0, 3))
		p.waits(a, "pthread_barrier_wait", barrier)
		p.waits(b, "pthread_barrier_wait", barrier)
		serial := []uint64{p.call(0, "pthread_barrier_wait", barrier), p.finish(a), p.finish(b)}
		slices.Sort(serial)
		if fmt.Sprint(serial) != "[0 0 4294967295]" { // PTHREAD_BARRIER_SERIAL_THREAD
			t.Errorf("barrier_wait: %d", serial)
		}

		semaphore := object()
		ok("sem_init", p.call(0, "sem_init", semaphore, 0, 0))
		p.waits(a, "sem_wait", semaphore)
		ok("sem_post", p.call(0, "sem_post", semaphore))
		ok("sem_wait", p.finish(a))

		once := object()
		p.begin(a, "pthread_once", once, p.fn("emurace.nothing"))
		for in := ""; in != "emurace.nothing"; {
			if s := p.run(a, 1); s.Kind != Budget {
				t.Fatalf("pthread_once: %v", s)
			}
			pc, err := p.PC(a)
			if err != nil {
				t.Fatal(err)
			}
			in, _, _ = p.Symbol(pc)
		}
		p.waits(b, "pthread_once", once, p.fn("emurace.nothing"))
		ok("pthread_once", p.finish(a))
		ok("pthread_once of the other", p.finish(b))
		p.checkKnown()
	})
}

// TestMallocStorm: four threads allocate and free, each other's blocks too, in random
// slices. No two blocks in use overlap, nobody writes into another's, and each thread
// has taken an arena of its own or the main one.
func TestMallocStorm(t *testing.T) {
	eachSystem(t, func(t *testing.T, p *process) {
		random := randomness(t)
		type block struct{ addr, size, fill uint64 }
		var blocks []block
		type request struct {
			fn    string
			size  uint64
			given block
		}
		doing := map[int]request{}
		threads := []int{0, p.spawn("a"), p.spawn("b"), p.spawn("c")}
		regions := map[uint64]bool{}
		check := func(b block) {
			t.Helper()
			if p.word(b.addr) != b.fill || b.size >= 16 && p.word(b.addr+b.size-8) != b.fill {
				t.Fatalf("a block of %d bytes at %#x does not hold what was put there", b.size, b.addr)
			}
		}
		begin := func(n int) {
			r := request{fn: []string{"malloc", "malloc", "free", "realloc", "calloc"}[random.IntN(5)], size: 8 + 8*random.Uint64N(150)}
			if random.IntN(20) == 0 {
				r.size = 1 << 17 // near the threshold of mmap
			}
			if r.fn == "free" || r.fn == "realloc" {
				if len(blocks) == 0 {
					return
				}
				i := random.IntN(len(blocks))
				r.given = blocks[i]
				blocks = slices.Delete(blocks, i, i+1)
				check(r.given)
			}
			doing[n] = r
			args := map[string][]uint64{"malloc": {r.size}, "calloc": {r.size / 8, 8}, "free": {r.given.addr}, "realloc": {r.given.addr, r.size}}
			p.begin(n, r.fn, args[r.fn]...)
		}
		end := func(n int) {
			r := doing[n]
			delete(doing, n)
			addr, err := p.Result(n)
			if err != nil {
				t.Fatal(err)
			}
			if r.fn == "free" {
				return
			}
			b := block{addr, r.size, random.Uint64()}
			switch {
			case addr == 0 || addr%16 != 0:
				t.Fatalf("%s(%d) gives %#x", r.fn, r.size, addr)
			case r.fn == "realloc" && p.word(addr) != r.given.fill, r.fn == "calloc" && p.word(addr) != 0:
				t.Fatalf("%s(%d) gives a block that holds %#x", r.fn, r.size, p.word(addr))
			}
			for _, o := range blocks {
				if addr < o.addr+o.size && o.addr < addr+r.size {
					t.Fatalf("%s(%d) at %#x overlaps %d bytes at %#x", r.fn, r.size, addr, o.size, o.addr)
				}
			}
			for _, at := range []uint64{addr, addr + r.size - 8} {
				if err := p.Write(n, at, le.AppendUint64(nil, b.fill)); err != nil {
					t.Fatal(err)
				}
			}
			blocks = append(blocks, b)
			regions[addr>>26] = true // HEAP_MAX_SIZE, what an arena's heap is aligned to
		}
		for range 6000 {
			n := threads[random.IntN(len(threads))]
			if p.Idle(n) {
				begin(n)
			}
			if !p.Runnable(n) {
				continue
			}
			if s := p.run(n, 1+random.Uint64N(200)); s.Kind == Returned {
				end(n)
			} else if s.Kind != Budget && s.Kind != Waits {
				t.Fatalf("%s: %v%s", doing[n].fn, s, p.lastOutput())
			}
		}
		for _, b := range blocks {
			check(b)
		}
		if len(regions) < 3 || len(blocks) < 100 {
			t.Errorf("%d blocks in %d regions", len(blocks), len(regions))
		}
		p.checkKnown()
	})
}
