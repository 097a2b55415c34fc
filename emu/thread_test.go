package emu

import (
	"slices"
	"testing"

	"emurace/emu/internal/linux"
)

// TestThreads: every thread made by pthread_create is a real one: its own id,
// thread-local storage, stack and arena.
func TestThreads(t *testing.T) {
	eachSystem(t, func(t *testing.T, p *process) {
		threads := []int{0}
		for _, name := range []string{"one", "two", "three"} {
			threads = append(threads, p.spawn(name))
		}
		if got := p.Threads(); len(got) != 4 || got[2].Name != "two" || !got[3].Idle {
			t.Fatalf("threads %+v", got)
		}
		tid, errno, self, block := map[uint64]bool{}, map[uint64]bool{}, map[uint64]bool{}, map[uint64]bool{}
		for _, n := range threads {
			tid[p.call(n, "syscall", map[string]uint64{"arm64": 178, "amd64": 186}[p.Arch().String()])] = true
			self[p.call(n, "pthread_self")] = true
			errno[p.call(n, "__errno_location")] = true
			// A thread's first malloc finds the main arena free, or makes its
			// own; blocks of one arena are near each other.
			block[p.call(n, "malloc", 100)>>26] = true
			lo, hi, ok := p.MappingOf(p.sp(n))
			if !ok || hi-lo < 64<<10 {
				t.Errorf("thread %d: stack [%#x, %#x)", n, lo, hi)
			}
		}
		if len(tid) != 4 || len(self) != 4 || len(errno) != 4 {
			t.Errorf("thread ids %v, selves %v, errno at %v", tid, self, errno)
		}
		if len(block) != 4 {
			t.Errorf("%d arenas for 4 threads", len(block))
		}
		// errno is a thread's own: failing in one does not show in the other.
		p.call(1, "close", 12345)
		ebadf := func(n int) uint64 {
			v, _ := p.Read(p.call(n, "__errno_location"), 4)
			return uint64(v[0])
		}
		if ebadf(1) != uint64(linux.EBADF) || ebadf(2) != 0 {
			t.Errorf("errno is %d on the thread that failed, %d on another", ebadf(1), ebadf(2))
		}
		if u := p.unknownSyscalls(); len(u) != 0 {
			t.Errorf("unknown system calls: %v", u)
		}
	})
}

// sp is a thread's stack pointer.
func (p *process) sp(n int) uint64 {
	v, ok := p.StackPointer(n)
	if !ok {
		p.t.Fatalf("thread %d has no stack pointer", n)
	}
	return v
}

// TestMutex: a thread that finds a mutex locked waits in the kernel, cannot
// run, and goes on when the lock is let go.
func TestMutex(t *testing.T) {
	eachSystem(t, func(t *testing.T, p *process) {
		worker := p.spawn("worker")
		const size = 64 // more than any pthread_mutex_t
		mutex := p.bytes(make([]byte, size))
		if rc := p.call(0, "pthread_mutex_lock", mutex); rc != 0 {
			t.Fatalf("lock: %d", rc)
		}
		if rc := p.call(worker, "pthread_mutex_trylock", mutex); rc != 16 { // EBUSY
			t.Errorf("trylock: %d", rc)
		}
		p.begin(worker, "pthread_mutex_lock", mutex)
		mark := p.mark()
		for range 3 {
			s := p.run(worker, 1<<20)
			if s.Kind != Waits || s.Ran == 0 || p.Runnable(worker) || !p.Waiting(worker) || p.Idle(worker) {
				t.Fatalf("lock by the worker: %v, runnable %v, waiting %v", s, p.Runnable(worker), p.Waiting(worker))
			}
			if again := p.run(worker, 100); again.Kind != Unready || again.Ran != 0 {
				t.Errorf("running it all the same: %v", again)
			}
			if a, err := p.Advance(true); len(a.Woke) > 0 || err != nil {
				t.Errorf("there is no timeout to expire: %v, %v", a, err)
			}
			if rc := p.call(0, "pthread_mutex_unlock", mutex); rc != 0 {
				t.Fatalf("unlock: %d", rc)
			}
			if !p.Runnable(worker) || p.Waiting(worker) {
				t.Error("unlocking did not wake the worker")
			}
			if rc := p.finish(worker); rc != 0 {
				t.Errorf("the worker's lock: %d", rc)
			}
			if rc := p.call(0, "pthread_mutex_trylock", mutex); rc != 16 {
				t.Errorf("the worker has not got the lock: %d", rc)
			}
			p.rewind(mark) // and the same again
		}
	})
}

// TestTimeouts: waiting with a deadline ends when no thread can run and the
// clock moves on.
func TestTimeouts(t *testing.T) {
	each(t, func(t *testing.T, p *process) {
		worker := p.spawn("worker")
		mutex := p.bytes(make([]byte, 64))
		p.call(0, "pthread_mutex_lock", mutex)
		deadline := p.bytes(make([]byte, 16))
		if rc := p.call(worker, "clock_gettime", 0, deadline); rc != 0 {
			t.Fatalf("clock_gettime: %d", rc)
		}
		now := p.word(deadline)
		if err := p.Write(0, deadline, le.AppendUint64(nil, now+5)); err != nil {
			t.Fatal(err)
		}
		p.begin(worker, "pthread_mutex_timedlock", mutex, deadline)
		if s := p.run(worker, 1<<20); s.Kind != Waits {
			t.Fatalf("timedlock: %v", s)
		}
		if a, err := p.Advance(true); !slices.Equal(a.Woke, []int{worker}) || err != nil || !p.Runnable(worker) {
			t.Fatalf("expire: %v, %v", a, err)
		}
		if rc := p.finish(worker); rc != uint64(linux.ETIMEDOUT) {
			t.Errorf("timedlock: %d", rc)
		}
		p.call(worker, "clock_gettime", 0, deadline)
		if then := p.word(deadline); then != now+5 {
			t.Errorf("the clock shows %d s, want %d", then, now+5)
		}
	})
}

// TestCondition: a wait on a condition variable, with the mutex given back
// meanwhile.
func TestCondition(t *testing.T) {
	eachSystem(t, func(t *testing.T, p *process) {
		first, second := p.spawn("first"), p.spawn("second")
		mutex, cond := p.bytes(make([]byte, 64)), p.bytes(make([]byte, 64))
		for _, n := range []int{first, second} {
			p.call(n, "pthread_mutex_lock", mutex)
			p.begin(n, "pthread_cond_wait", cond, mutex)
			if s := p.run(n, 1<<20); s.Kind != Waits {
				t.Fatalf("cond_wait: %v", s)
			}
		}
		p.call(0, "pthread_cond_signal", cond)
		if p.Runnable(first) == p.Runnable(second) {
			t.Errorf("one signal: first runnable %v, second %v", p.Runnable(first), p.Runnable(second))
		}
		p.call(0, "pthread_cond_broadcast", cond)
		for _, n := range []int{first, second} {
			if rc := p.finish(n); rc != 0 {
				t.Errorf("cond_wait returned %d", rc)
			}
			p.call(n, "pthread_mutex_unlock", mutex)
		}
	})
}

// TestJoin: a thread whose start routine returns ends, and wakes the one that
// joins it. The routine is strlen, so the thread returns a length.
func TestJoin(t *testing.T) {
	eachSystem(t, func(t *testing.T, p *process) {
		handle, result := p.bytes(make([]byte, 8)), p.bytes(make([]byte, 8))
		if rc := p.call(0, "pthread_create", handle, 0, p.fn("strlen"), p.str("forty-two bytes are counted by this thread")); rc != 0 {
			t.Fatalf("pthread_create: %d", rc)
		}
		const worker = 1
		if got := p.Threads(); len(got) != 2 || !p.Runnable(worker) || p.Idle(worker) {
			t.Fatalf("threads %+v", got)
		}
		p.begin(0, "pthread_join", p.word(handle), result)
		if s := p.run(0, 1<<20); s.Kind != Waits || p.Runnable(0) {
			t.Fatalf("join: %v", s)
		}
		mark := p.mark()
		for range 2 {
			if s := p.run(worker, 1<<22); s.Kind != Gone {
				t.Fatalf("the thread: %v: %s", s, p.output())
			}
			if p.Runnable(worker) || p.Waiting(worker) || p.Idle(worker) || p.End() != nil {
				t.Errorf("the thread that ended: runnable %v, idle %v; end %v", p.Runnable(worker), p.Idle(worker), p.End())
			}
			if s := p.run(worker, 1); s.Kind != Unready {
				t.Errorf("running it: %v", s)
			}
			if regs, err := p.Registers(worker); regs != nil || err != nil {
				t.Errorf("its registers: %v, %v", regs, err)
			}
			if rc := p.finish(0); rc != 0 || p.word(result) != 42 {
				t.Errorf("join: %d, the thread returned %d", rc, p.word(result))
			}
			p.rewind(mark)
			if !p.Runnable(worker) || p.Runnable(0) {
				t.Fatal("rewinding did not bring the thread back")
			}
		}
	})
}

// TestThreadLimit: one thread too many is an error, and the process goes on.
func TestThreadLimit(t *testing.T) {
	each(t, func(t *testing.T, p *process) {
		for i := 1; i < MaxThreads; i++ {
			p.spawn("worker")
		}
		if n, err := p.Spawn("one too many"); err == nil {
			t.Fatalf("thread %d of %d", n, MaxThreads)
		}
		if got := p.call(MaxThreads-1, "strlen", p.str("four")); got != 4 {
			t.Errorf("strlen on the last thread: %d", got)
		}
	})
}
