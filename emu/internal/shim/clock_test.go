package shim

import (
	"maps"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"emurace/loader"
)

// stay is an instruction that goes to itself.
var stay = map[loader.Arch][]byte{loader.ARM64: words(0x14000000), loader.AMD64: {0xeb, 0xfe}}

// lamport is what the clocks are to be, byte by byte and from all that has happened.
type lamport struct {
	clock         map[int]uint64
	wrote, looked map[lane]uint64
}

// lane is a byte of memory, or an object with its class.
type lane struct {
	class uint8
	id    uint64
}

func newLamport(base uint64) *lamport {
	l := &lamport{map[int]uint64{}, map[lane]uint64{}, map[lane]uint64{}}
	for i := range ClockThread + 1 {
		l.clock[i] = base
	}
	return l
}

func (l *lamport) clone() *lamport {
	return &lamport{maps.Clone(l.clock), maps.Clone(l.wrote), maps.Clone(l.looked)}
}

func (l *lamport) use(thread int, lanes []lane, write bool) {
	for _, at := range lanes {
		l.clock[thread] = max(l.clock[thread], l.wrote[at])
		if write {
			l.clock[thread] = max(l.clock[thread], l.looked[at])
		}
	}
	for _, at := range lanes {
		if write {
			l.wrote[at] = l.clock[thread]
		} else {
			l.looked[at] = max(l.looked[at], l.clock[thread])
		}
	}
}

func bytesOf(addr, size uint64) []lane {
	var list []lane
	for a := addr; a < addr+size; a++ {
		list = append(list, lane{id: a})
	}
	return list
}

// The clocks are those of the definition, whenever they are asked for and wherever the
// machine is rewound to.
func TestClocks(t *testing.T) {
	eachArch(t, func(t *testing.T, arch loader.Arch) { rapid.Check(t, func(r *rapid.T) { checkClocks(t, r, arch) }) })
}

func checkClocks(t *testing.T, r *rapid.T, arch loader.Arch) {
	const threads = 3
	e := newEngine(t, arch, stay[arch], threads, true)
	defer e.Close()
	run(t, e, 0, 5)
	must(t, e.SetLogging(true))
	must(t, e.Store(0, dataAt, make([]byte, 8))) // before there are clocks
	e.StartClocks()
	type moment struct {
		mark *Mark
		want *lamport
		live []int
	}
	want := newLamport(5)
	live := []int{0, 1, 2}
	var moments []moment
	for range rapid.IntRange(1, 80).Draw(r, "steps") {
		thread := rapid.SampledFrom(live).Draw(r, "thread")
		switch rapid.IntRange(0, 13).Draw(r, "what") {
		case 0:
			m, err := e.Mark()
			must(t, err)
			moments = append(moments, moment{m, want.clone(), slices.Clone(live)})
		case 1:
			if len(moments) > 0 {
				i := rapid.IntRange(0, len(moments)-1).Draw(r, "mark")
				must(t, moments[i].mark.Rewind())
				want, live = moments[i].want.clone(), slices.Clone(moments[i].live)
				moments = moments[:i+1]
			}
		case 2, 3, 4:
			n := rapid.Uint64Range(1, 9).Draw(r, "instructions")
			run(t, e, thread, n)
			want.clock[thread] += n
		case 5:
			thread := rapid.SampledFrom([]int{thread, ClockThread}).Draw(r, "who")
			object := lane{rapid.SampledFrom([]uint8{1, 2, ClockObject}).Draw(r, "class"), rapid.Uint64Range(0, 2).Draw(r, "object")}
			write := rapid.Bool().Draw(r, "changes")
			e.Uses(thread, object.class, object.id, write)
			want.use(thread, []lane{object}, write)
		case 6:
			thread := rapid.SampledFrom([]int{thread, ClockThread}).Draw(r, "waker")
			woken := rapid.SampledFrom(live).Draw(r, "woken")
			e.Wakes(thread, woken)
			want.clock[woken] = max(want.clock[woken], want.clock[thread])
		case 7:
			e.WaitsForAll(ClockThread)
			for i := range threads {
				want.clock[ClockThread] = max(want.clock[ClockThread], want.clock[i])
			}
		case 8:
			if len(live) > 1 { // with one left, and with none ahead of it, accesses do not count
				e.DropThread(thread)
				live = slices.DeleteFunc(live, func(i int) bool { return i == thread })
			}
		case 9:
			if i := slices.IndexFunc([]int{0, 1, 2}, func(i int) bool { return !slices.Contains(live, i) }); i >= 0 {
				must(t, e.AddThread(i, thread))
				want.clock[i] = max(want.clock[i], want.clock[thread])
				live = append(live, i)
			}
		default:
			addr := rapid.SampledFrom([]uint64{dataAt, dataAt + PageSize - 100}).Draw(r, "where") + rapid.Uint64Range(0, 20).Draw(r, "address")
			size := rapid.Uint64Range(1, rapid.SampledFrom([]uint64{8, 300}).Draw(r, "most")).Draw(r, "size")
			write := rapid.Bool().Draw(r, "write")
			if write {
				must(t, e.Store(thread, addr, make([]byte, size)))
			} else {
				must(t, e.Touch(thread, addr, size))
			}
			for i := uint64(0); i < size; i += 8 {
				want.piecewise(thread, addr+i, min(size-i, 8), write)
			}
		}
		if rapid.Bool().Draw(r, "latest") {
			got, err := e.LatestClock()
			must(t, err)
			if latest := max(want.clock[0], want.clock[1], want.clock[2]); got != latest {
				r.Fatalf("the latest clock is %d, want %d", got, latest)
			}
		}
		if rapid.Bool().Draw(r, "look") {
			for _, i := range rapid.SliceOf(rapid.SampledFrom([]int{0, 1, 2, ClockThread})).Draw(r, "whose") {
				got, err := e.Clock(i)
				must(t, err)
				if got != want.clock[i] {
					r.Fatalf("the clock of %d is %d, want %d", i, got, want.clock[i])
				}
			}
		}
	}
}

// piecewise is an access that crosses a multiple of eight: it is taken in piece by piece.
func (l *lamport) piecewise(thread int, addr, size uint64, write bool) {
	first := min(size, 8-addr%8)
	l.use(thread, bytesOf(addr, first), write)
	l.use(thread, bytesOf(addr+first, size-first), write)
}

// A thread that is made begins with the clock of who made it.
func TestClockOfANewThread(t *testing.T) {
	eachArch(t, func(t *testing.T, arch loader.Arch) {
		e := newEngine(t, arch, stay[arch], 2, true)
		e.StartClocks()
		run(t, e, 0, 100)
		run(t, e, 1, 7)
		must(t, e.AddThread(2, 1))
		run(t, e, 2, 3)
		for i, want := range []uint64{100, 7, 10} {
			if got, err := e.Clock(i); got != want || err != nil {
				t.Errorf("the clock of %d is %d (%v), want %d", i, got, err, want)
			}
		}
	})
}

// Counters of the processor show the thread's clock and what it was advanced, and
// reading one is an event where those are wanted.
func TestCountersShowTheClock(t *testing.T) {
	for arch, c := range map[loader.Arch]struct {
		code []byte
		reg  string
	}{
		loader.ARM64: {words(0xd503201f, 0xd53be040, 0xd503201f), "x0"}, // nop; mrs x0, cntvct_el0; nop
		loader.AMD64: {[]byte{0x90, 0x0f, 0x31, 0x90}, "rax"},           // nop; rdtsc; nop
	} {
		e := newEngine(t, arch, c.code, 2, true)
		e.StartClocks()
		e.SetSharing(true)
		run(t, e, 1, 1)
		e.SetAdvanced(1000)
		if s := run(t, e, 0, 3); s.Ran != 2 || s.Reason != StopEvent || !s.Event || !e.ReadCounter() {
			t.Errorf("%v: %+v, want an event after two instructions", arch, s)
		}
		if v := get(t, e, 0, c.reg); v != 1002 {
			t.Errorf("%v: the counter shows %d, want 1002", arch, v)
		}
		if run(t, e, 0, 1); e.ReadCounter() {
			t.Errorf("%v: an instruction that does nothing reads the counter", arch)
		}
		e.SetSharing(false)
		set(t, e, 1, "pc", codeAt)
		if s := run(t, e, 1, 3); s.Ran != 3 || s.Event {
			t.Errorf("%v: %+v, want no event", arch, s)
		}
	}
}
