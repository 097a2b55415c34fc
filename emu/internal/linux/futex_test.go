package linux

import (
	"slices"
	"testing"

	"emurace/loader"
)

const (
	private  = 0x80
	realtime = 0x100
)

// spawn makes threads beside main, up to the limit of four.
func (f *fixture) spawn(n int) {
	f.t.Helper()
	for range n {
		if tid := f.do("clone", threadFlags, 0); tid <= FirstTID {
			f.t.Fatalf("clone: %d", tid)
		}
	}
}

// statuses are those of the threads, in their order.
func (f *fixture) statuses() []Status {
	var s []Status
	for _, t := range f.State().Tasks {
		s = append(s, t.Status)
	}
	return s
}

func TestFutexArguments(t *testing.T) {
	each(t, func(t *testing.T, k *fixture) {
		word := k.put([]byte{7, 0, 0, 0, 7, 0, 0, 0})
		late, negative, wrong := k.put(twoWords(0, 0)), k.put(twoWords(minus1, 0)), k.put(twoWords(0, second))
		for what, c := range map[string]struct {
			args []uint64
			want int64
		}{
			"wait, other value":          {[]uint64{word, 0, 8}, errno(EAGAIN)},
			"wait, other value, private": {[]uint64{word, private, 8}, errno(EAGAIN)},
			"wait, misaligned":           {[]uint64{word + 2, 0, 7}, errno(EINVAL)},
			"wait, unmapped":             {[]uint64{unmapped, 0, 7}, errno(EFAULT)},
			"wait, at the very end":      {[]uint64{minus1 - 3, 0, 7}, errno(EFAULT)},
			"wait, no bits":              {[]uint64{word, 9, 7, 0, 0, 0}, errno(EINVAL)},
			"wait, timeout unmapped":     {[]uint64{word, 0, 7, unmapped}, errno(EFAULT)},
			"wait, timeout negative":     {[]uint64{word, 0, 7, negative}, errno(EINVAL)},
			"wait, timeout malformed":    {[]uint64{word, 0, 7, wrong}, errno(EINVAL)},
			"wait, timeout of zero":      {[]uint64{word, 0, 7, late}, errno(ETIMEDOUT)},
			"wait until the past":        {[]uint64{word, 9, 7, late, 0, 1}, errno(ETIMEDOUT)},
			"wait until 1970":            {[]uint64{word, 9 | realtime, 7, late, 0, 1}, errno(ETIMEDOUT)},
			"wake, nobody":               {[]uint64{word, 1, 100}, 0},
			"wake, misaligned":           {[]uint64{word + 1, 1, 1}, errno(EINVAL)},
			"wake, no bits":              {[]uint64{word, 10, 1, 0, 0, 0}, errno(EINVAL)},
			"requeue, nobody":            {[]uint64{word, 3 | private, 0, 1, word + 4}, 0},
			"requeue, misaligned":        {[]uint64{word, 3, 0, 1, word + 2}, errno(EINVAL)},
			"requeue, fewer than none":   {[]uint64{word, 3, 0, minus1, word + 4}, errno(EINVAL)},
			"requeue, other value":       {[]uint64{word, 4, 0, 1, word + 4, 8}, errno(EAGAIN)},
			"requeue, this value":        {[]uint64{word, 4, 0, 1, word + 4, 7}, 0},
			"requeue, unmapped":          {[]uint64{unmapped, 4, 0, 1, word + 4, 7}, errno(EFAULT)},
			"lock with inheritance":      {[]uint64{word, 6, 1}, errno(ENOSYS)},
			"no such operation":          {[]uint64{word, 99, 1}, errno(ENOSYS)},
		} {
			if got := k.do("futex", c.args...); got != c.want {
				t.Errorf("%s: %d, want %d", what, got, c.want)
			}
		}
		if len(k.State().Waiters) != 0 || k.State().Tasks[0].Status != Runnable {
			t.Errorf("somebody waits: %+v", k.State().Waiters)
		}
		if got := k.mem.View(word, 8); got[0] != 7 || got[4] != 7 {
			t.Errorf("the words changed: % x", got)
		}
	})
}

// wait lets a thread wait.
func (f *fixture) wait(thread int, args ...uint64) {
	f.t.Helper()
	f.threads.result[thread] = 12345 // its result comes only when it is woken
	if r := f.at(thread, "futex", args...); r.Effect != Blocks {
		f.t.Fatalf("thread %d: wait: %+v", thread, r)
	}
	if f.State().Tasks[thread].Status != Blocked || f.threads.result[thread] != 12345 {
		f.t.Fatalf("thread %d: it does not wait", thread)
	}
}

func TestFutexWake(t *testing.T) {
	each(t, func(t *testing.T, k *fixture) {
		k.spawn(3)
		a, b := k.room(4), k.room(4)
		k.wait(2, a, 0, 0)
		k.wait(1, a, private, 0)
		k.wait(3, b, 0, 0)
		for i, c := range []struct {
			addr, n uint64
			woken   int64
			want    []Status
		}{
			{a + 4, 9, 0, []Status{Runnable, Blocked, Blocked, Blocked}},
			{a, 0, 0, []Status{Runnable, Blocked, Blocked, Blocked}},
			{a, 1, 1, []Status{Runnable, Blocked, Runnable, Blocked}}, // the one that came first
			{a, 9, 1, []Status{Runnable, Runnable, Runnable, Blocked}},
			{a, 9, 0, []Status{Runnable, Runnable, Runnable, Blocked}},
			{b, 1<<32 + 1, 1, []Status{Runnable, Runnable, Runnable, Runnable}},
		} {
			if got := k.do("futex", c.addr, 1, c.n); got != c.woken || !slices.Equal(k.statuses(), c.want) {
				t.Errorf("%d: woke %d, statuses %v; want %d, %v", i, got, k.statuses(), c.woken, c.want)
			}
		}
		for n := 1; n <= 3; n++ {
			if k.threads.result[n] != 0 {
				t.Errorf("thread %d's wait returned %d", n, int64(k.threads.result[n]))
			}
		}
	})
}

// A requeue wakes the oldest, moves the next ones, which keep their order and are
// woken at their new word only, and leaves the rest.
func TestFutexRequeue(t *testing.T) {
	each(t, func(t *testing.T, k *fixture) {
		k.spawn(3)
		a, b := k.room(8), k.room(8)
		for thread := 1; thread <= 3; thread++ {
			k.wait(thread, a, private, 0)
		}
		r := k.at(0, "futex", a, 3|private, 1, 1, b)
		if r.Value != 2 || len(r.Objects) != 2 || !r.Objects[0].Write || !r.Objects[1].Write {
			t.Fatalf("requeue: %+v", r)
		}
		if got := k.statuses(); !slices.Equal(got[:4], []Status{Runnable, Runnable, Blocked, Blocked}) {
			t.Errorf("statuses %v", got)
		}
		if n := k.do("futex", a, 1, 9); n != 1 || k.State().Tasks[3].Status != Runnable || k.State().Tasks[2].Status != Blocked {
			t.Errorf("wake at the first word: %d, %v", n, k.statuses())
		}
		if n := k.do("futex", b, 1, 9); n != 1 || k.State().Tasks[2].Status != Runnable || k.threads.result[2] != 0 {
			t.Errorf("wake at the second word: %d, %v", n, k.statuses())
		}
	})
}

func TestFutexBitset(t *testing.T) {
	each(t, func(t *testing.T, k *fixture) {
		k.spawn(3)
		a := k.room(4)
		k.wait(1, a, 9, 0, 0, 0, 0b001)
		k.wait(2, a, 9, 0, 0, 0, 0b110)
		k.wait(3, a, 0, 0) // a plain wait matches any bit
		wake := func(mask uint64) int64 { return k.do("futex", a, 10, 9, 0, 0, mask) }
		if got := wake(0b1000); got != 1 || k.State().Tasks[3].Status != Runnable {
			t.Errorf("woke %d: %v", got, k.statuses())
		}
		if got := wake(0b010); got != 1 || k.State().Tasks[2].Status != Runnable {
			t.Errorf("woke %d: %v", got, k.statuses())
		}
		if got := k.do("futex", a, 1, 9); got != 1 { // a plain wake too
			t.Errorf("woke %d: %v", got, k.statuses())
		}
	})
}

func TestFutexTimeouts(t *testing.T) {
	each(t, func(t *testing.T, k *fixture) {
		k.spawn(3)
		a := k.room(4)
		now := func() uint64 {
			b := k.room(16)
			k.do("clock_gettime", 1, b)
			return k.word(b)*second + k.word(b+8)
		}
		at := func(ns uint64) uint64 { return k.put(twoWords(ns/second, ns%second)) }
		start := now()
		k.wait(1, a, 0, 0, at(50*second))                            // 50 s from now
		k.wait(2, a, 9, 0, at(start+20*second), 0, 1)                // until now + 20 s
		k.wait(3, a, 9|realtime, 0, at(bootTime+start+second), 0, 1) // until now + 1 s
		for i, want := range []struct {
			thread int
			after  uint64
		}{{3, second}, {2, 20 * second}, {1, 50 * second}} {
			woken, n := k.advance(), want.thread
			if !slices.Equal(woken, []int{n}) {
				t.Fatalf("%d: expired threads %v; want %d", i, woken, n)
			}
			if k.threads.result[n] != negated(ETIMEDOUT) || k.State().Tasks[n].Status != Runnable {
				t.Errorf("thread %d: result %d, status %v", n, int64(k.threads.result[n]), k.State().Tasks[n].Status)
			}
			if got := now() - start; got != want.after {
				t.Errorf("thread %d: the clock moved by %d ns, want %d", n, got, want.after)
			}
		}
		if woken := k.advance(); woken != nil {
			t.Errorf("expired threads %v", woken)
		}
		// Woken in time, it does not expire later; and time may have passed it.
		k.wait(1, a, 0, 0, at(5))
		k.do("futex", a, 1, 1)
		k.wait(2, a, 0, 0, at(10))
		k.mem.steps += 1000
		before := now()
		if woken := k.advance(); !slices.Equal(woken, []int{2}) || now() != before {
			t.Errorf("expired threads %v, the clock moved by %d", woken, now()-before)
		}
		k.wait(3, a, 0, 0)
		if woken := k.advance(); woken != nil {
			t.Errorf("threads %v have no timeout", woken)
		}
	})
}

// advance moves the clock on and returns whose waits that ends.
func (f *fixture) advance() (woken []int) {
	f.t.Helper()
	before := f.statuses()
	_, ok, err := f.Advance()
	if err != nil {
		f.t.Fatal(err)
	}
	for n, s := range f.statuses() {
		if s == Runnable && before[n] == Blocked {
			woken = append(woken, n)
		}
	}
	if ok != (woken != nil) {
		f.t.Fatalf("the clock was moved on: %v, and woke %v", ok, woken)
	}
	return woken
}

// TestClockGoesForward: however long threads sleep and wait, the clock does not
// go back.
func TestClockGoesForward(t *testing.T) {
	each(t, func(t *testing.T, k *fixture) {
		k.spawn(1)
		forever := k.put(twoWords(1<<63-1, second-1))
		last, b, a := uint64(0), k.room(16), k.room(4)
		for i := range 20 {
			switch i % 3 {
			case 0:
				k.at(1, "nanosleep", forever, 0)
			case 1:
				k.at(1, "clock_nanosleep", 0, 1, forever, 0)
			case 2:
				k.wait(1, a, 0, 0, forever)
			}
			if woken := k.advance(); k.State().Tasks[1].Status != Runnable {
				t.Fatalf("call %d: expired %v", i, woken)
			}
			k.mem.steps++
			k.do("clock_gettime", 1, b)
			if sec := k.word(b); sec < last || k.word(b+8) >= second {
				t.Fatalf("call %d: the clock shows %d.%09d s, before %d", i, sec, k.word(b+8), last)
			}
			last = k.word(b)
		}
	})
}

func TestThreadsComeAndGo(t *testing.T) {
	each(t, func(t *testing.T, k *fixture) {
		parentTID, childTID := k.room(8), k.room(8)
		const flags = threadFlags | cloneSettls | cloneParentSettid | cloneChildSettid | cloneChildCleartid
		args := []uint64{flags, 0x1000, parentTID, 0x77, childTID}
		if k.Arch == loader.AMD64 {
			args = []uint64{flags, 0x1000, parentTID, childTID, 0x77}
		}
		if tid := k.do("clone", args...); tid != FirstTID+1 || k.word32(parentTID) != FirstTID+1 || k.word32(childTID) != FirstTID+1 {
			t.Errorf("clone: %d, told parent %d and child %d", tid, k.word32(parentTID), k.word32(childTID))
		}
		if k.threads.stack[1] != 0x1000 || k.threads.tls[1] != 0x77 || k.threads.result[1] != 0 {
			t.Errorf("the thread: %+v", k.threads)
		}
		if v := k.at(1, "gettid").Value; v != FirstTID+1 {
			t.Errorf("gettid: %d", v)
		}
		// clone3 takes the same from memory, with the stack's lower end.
		block := make([]byte, 88)
		for i, v := range []uint64{flags, 0, childTID, parentTID, 0, 0x2000, 0x800, 0x88} {
			le.PutUint64(block[8*i:], v)
		}
		at := k.put(block)
		if tid := k.do("clone3", at, 88); tid != FirstTID+2 || k.threads.stack[2] != 0x2800 || k.threads.tls[2] != 0x88 {
			t.Errorf("clone3: %d, %+v", tid, k.threads)
		}
		for what, c := range map[string]struct {
			name string
			args []uint64
			want int64
		}{
			"fork":                   {"clone", []uint64{17, 0, 0, 0, 0}, errno(ENOSYS)},
			"clone, bad parent word": {"clone", []uint64{flags, 0, unmapped, unmapped, unmapped}, errno(EFAULT)},
			"clone3, too short":      {"clone3", []uint64{at, 63}, errno(EINVAL)},
			"clone3, unmapped":       {"clone3", []uint64{unmapped, 88}, errno(EFAULT)},
		} {
			if got := k.do(c.name, c.args...); got != c.want {
				t.Errorf("%s: %d, want %d", what, got, c.want)
			}
		}
		// Main waits for the first thread, as pthread_join does.
		k.wait(0, childTID, 0, uint64(k.word32(childTID)))
		r := k.at(2, "exit", 0)
		if r.Effect != ThreadEnds || k.word32(childTID) != 0 || k.threads.alive[2] {
			t.Errorf("exit: %+v, the word is %d", r, k.word32(childTID))
		}
		if !slices.Equal(k.statuses(), []Status{Runnable, Runnable, Ended}) {
			t.Errorf("statuses %v", k.statuses())
		}
		// A number is not used again.
		if tid := k.do("clone", threadFlags, 0); tid != FirstTID+3 || !k.threads.alive[3] {
			t.Errorf("clone: %d", tid)
		}
		if got := k.do("clone", threadFlags, 0); got != errno(EAGAIN) {
			t.Errorf("one thread too many: %d", got)
		}
		// An unmapped clear-tid word does not stop a thread from ending.
		k.at(1, "set_tid_address", unmapped)
		for _, n := range []int{1, 3} {
			if r := k.at(n, "exit", 9); r.Effect != ThreadEnds {
				t.Errorf("exit of thread %d: %+v", n, r)
			}
		}
		if r := k.at(0, "exit", 258); r.Effect != Exits || r.Code != 2 || !k.State().Exited {
			t.Errorf("the last thread's exit: %+v", r)
		}
	})
}

// TestThreadLimits: so many threads at a time, and so many in all; who ends makes room for
// another one, which is a thread of its own.
func TestThreadLimits(t *testing.T) {
	for _, arch := range []loader.Arch{loader.ARM64, loader.AMD64} {
		t.Run(arch.String(), func(t *testing.T) {
			k := newLimited(t, arch, Limits{Threads: 3, Made: 8, Output: 100, Files: 6})
			made := 1
			clone := func(want int64) {
				t.Helper()
				if got := k.do("clone", threadFlags, 0); got != want {
					t.Fatalf("clone after %d threads: %d, want %d", made, got, want)
				}
				if want > 0 {
					made++
				}
			}
			clone(FirstTID + 1)
			clone(FirstTID + 2)
			for last := 2; made < 8; last++ {
				clone(errno(EAGAIN))
				before := k.Snapshot()
				if r := k.at(last, "exit", 0); r.Effect != ThreadEnds {
					t.Fatalf("exit of thread %d: %+v", last, r)
				}
				clone(FirstTID + int64(made))
				after := k.Snapshot()
				k.Restore(before)
				clone(errno(EAGAIN)) // the thread is there again
				k.Restore(after)
				if k.State().Status(last) != Ended || k.State().Status(last+1) != Runnable || k.State().slotOf(FirstTID+last) >= 0 {
					t.Errorf("statuses %v", k.statuses())
				}
			}
			if r := k.at(7, "exit", 0); r.Effect != ThreadEnds {
				t.Fatalf("exit: %+v", r)
			}
			clone(errno(EAGAIN)) // there were eight
		})
	}
}

// TestWaitersInSnapshots: waking, waiting and expiring leave a snapshot alone.
func TestWaitersInSnapshots(t *testing.T) {
	each(t, func(t *testing.T, k *fixture) {
		k.spawn(3)
		a := k.room(4)
		soon := k.put(twoWords(1, 0))
		k.wait(1, a, 0, 0)
		k.wait(2, a, 0, 0, soon)
		s := k.Snapshot()
		want := copyState(s)
		for what, change := range map[string]func(){
			"wake": func() { k.do("futex", a, 1, 1) },
			"expire": func() {
				if woken := k.advance(); !slices.Equal(woken, []int{2}) {
					t.Errorf("expired %v", woken)
				}
			},
			"wait": func() { k.wait(3, a, 0, 0) },
			"exit": func() { k.at(3, "exit", 0) },
		} {
			change()
			if copyState(k.State()) == want {
				t.Errorf("%s changed nothing", what)
			}
			if got := copyState(s); got != want {
				t.Errorf("%s changed the snapshot:\n%s\n%s", what, want, got)
			}
			k.Restore(s)
			k.threads.alive[3] = true
		}
	})
}
