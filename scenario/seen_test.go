package scenario

import (
	"encoding/binary"
	"slices"
	"testing"

	"emurace/emu"
	"emurace/loader"
)

// Each thread stores to its word and loads the other one's: str w2, [x0]; ldr w0, [x1]; ret, and the same for
// amd64, where the arguments are in rdi, rsi and rdx.
var storeLoad = machineCode{[]uint32{0xb9000002, 0xb9400020, 0xd65f03c0}, "\x89\x17\x8b\x06\xc3"}

// storeBuffering is a plan in which both threads may find the other's word as it was.
func storeBuffering(arch loader.Arch) (*Plan, *uint64) {
	base := new(uint64)
	calls := func(own, other uint64) Body {
		return known(func() Calls {
			return Calls{{Func: "code", Addr: *base, Args: []Arg{Int(*base + own), Int(*base + other), Int(1)}}}
		})
	}
	return &Plan{
		Setup: func(u *Setup) (err error) {
			*base, err = u.Code(storeLoad.of(arch), 4096)
			return err
		},
		Threads: []Thread{{Main, calls(2048, 2112)}, {"other", calls(2112, 2048)}},
	}, base
}

// TestSeeing: a load finds what it is told that it sees, memory holds behind it what it held before, and what a
// store leaves is what the schedule says; played anew and in pieces it is the same, also from its text.
func TestSeeing(t *testing.T) {
	eachArch(t, func(t *testing.T, sys *emu.System) {
		plan, base := storeBuffering(sys.Arch)
		s := begin(t, sys, plan)
		x, y := *base+2048, *base+2112
		zero := []byte{0, 0, 0, 0}
		schedule := Schedule{
			{Thread: 0, N: 1},
			{Thread: 1, N: 2, Seeing: &Seeing{Sees: []Seen{{Bytes: Bytes{x, zero}}}}},
			{Thread: 0, N: 1, Seeing: &Seeing{Sees: []Seen{{Bytes: Bytes{y, zero}}}}},
			{Thread: 0}, {Thread: 1},
		}
		play := func(schedule Schedule) string {
			must(t, s.Restart())
			must(t, s.Play(schedule))
			if o, over := s.Outcome(); !over || o.Kind != OK {
				t.Fatalf("%v, over %v", o, over)
			}
			for i := range 2 {
				if got := s.Results(i); len(got) != 1 || uint32(got[0]) != 0 {
					t.Errorf("thread %d has loaded %v, want 0", i, got)
				}
			}
			for _, at := range []uint64{x, y} {
				if b, _ := s.m.Read(at, 4); binary.LittleEndian.Uint32(b) != 1 {
					t.Errorf("memory holds %v at the end", b)
				}
			}
			digest, err := s.Digest()
			must(t, err)
			return digest
		}
		want := play(schedule)
		again, err := ParseSchedule(schedule.Texts(s.ScheduleNames()), s.ScheduleNames())
		must(t, err)
		if got := play(again); got != want || !again.Odd() {
			t.Errorf("from its text it is another run: %s, %s", got, want)
		}
		var pieces Schedule
		for _, sl := range schedule[:3] {
			for done := range sl.N {
				pieces = append(pieces, sl.Part(done, 1))
			}
		}
		if got := play(append(pieces, schedule[3:]...)); got != want {
			t.Errorf("in pieces it is another run: %s, %s", got, want)
		}
		// The log has nobody's accesses but the threads'.
		var seen []emu.LogEntry
		for a := range s.m.Log().From(s.StartLog()).All() {
			if a.Addr == x || a.Addr == y {
				seen = append(seen, a)
			}
		}
		if len(seen) != 4 || slices.ContainsFunc(seen, func(a emu.LogEntry) bool { return a.Kind == emu.LogRead && a.Value != 0 }) {
			t.Errorf("the log has %+v", seen)
		}
		// A store that another one is behind already.
		must(t, s.Restart())
		must(t, s.Play(Schedule{{Thread: 0, N: 1, Seeing: &Seeing{Leaves: []Bytes{{x, []byte{9, 0, 0, 0}}}}}}))
		if b, _ := s.m.Read(x, 4); binary.LittleEndian.Uint32(b) != 9 {
			t.Errorf("memory holds %v behind a store that leaves 9", b)
		}
	})
}

// TestSeeingRefused: what no instruction can be told is an error.
func TestSeeingRefused(t *testing.T) {
	eachArch(t, func(t *testing.T, sys *emu.System) {
		plan, base := storeBuffering(sys.Arch)
		s := begin(t, sys, plan)
		for name, sl := range map[string]Slice{
			"nothing is mapped": {Thread: 0, N: 2, Seeing: &Seeing{Sees: []Seen{{Bytes: Bytes{0x10, []byte{1}}}}}},
			"no instructions":   {Thread: 0, Seeing: &Seeing{Sees: []Seen{{Bytes: Bytes{*base, []byte{1}}}}}},
			"too many":          {Thread: 0, N: 1, Seeing: &Seeing{Leaves: slices.Repeat([]Bytes{{*base, []byte{1}}}, 65)}},
			"too wide":          {Thread: 0, N: 1, Seeing: &Seeing{Leaves: []Bytes{{*base, make([]byte, 257)}}}},
		} {
			must(t, s.Restart())
			if err := s.Play(Schedule{sl}); err == nil {
				t.Errorf("%s: it was played", name)
			}
		}
	})
}

// TestSeeingSwapFails: a compare and swap that fails on what it is told that it sees has written nothing, also
// where the processor puts back what it has read.
func TestSeeingSwapFails(t *testing.T) {
	// x0: word, w1: what to find, w2: what to write: cas w1, w2, [x0]; mov w0, w1; ret. In amd64's rdi, rsi, rdx:
	// mov eax, esi; lock cmpxchg [rdi], edx; ret.
	swap := machineCode{[]uint32{0x88a17c02, 0x2a0103e0, 0xd65f03c0}, "\x89\xf0\xf0\x0f\xb1\x17\xc3"}
	eachArch(t, func(t *testing.T, sys *emu.System) {
		var base uint64
		plan := &Plan{
			Setup: func(u *Setup) (err error) {
				base, err = u.Code(swap.of(sys.Arch), 4096)
				return err
			},
			Threads: []Thread{{Main, known(func() Calls {
				return Calls{{Func: "code", Addr: base, Args: []Arg{Int(base + 2048), Int(7), Int(9)}}}
			})}},
		}
		s := begin(t, sys, plan)
		n := uint64(1)
		if sys.Arch == loader.AMD64 {
			n = 2
		}
		must(t, s.Play(Schedule{{Thread: 0, N: n, Seeing: &Seeing{Sees: []Seen{{Bytes: Bytes{base + 2048, []byte{5, 0, 0, 0}}}}}}, {Thread: 0}}))
		if got := s.Results(0); len(got) != 1 || uint32(got[0]) != 5 {
			t.Errorf("it has found %v, want 5", got)
		}
		if b, _ := s.m.Read(base+2048, 4); binary.LittleEndian.Uint32(b) != 0 {
			t.Errorf("memory holds %v at the end, want what was there", b)
		}
	})
}

// TestSeeingExclusive: a store exclusive that writes what it is told to find has written.
func TestSeeingExclusive(t *testing.T) {
	eachArch(t, func(t *testing.T, sys *emu.System) {
		if sys.Arch != loader.ARM64 {
			return
		}
		// ldxr w1, [x0]; stxr w2, w1, [x0]; mov w0, w2; ret
		again := machineCode{[]uint32{0x885f7c01, 0x88027c01, 0x2a0203e0, 0xd65f03c0}, "\xc3"}
		var base uint64
		plan := &Plan{
			Setup: func(u *Setup) (err error) {
				base, err = u.Code(again.of(sys.Arch), 4096)
				return err
			},
			Threads: []Thread{{Main, known(func() Calls { return Calls{{Func: "code", Addr: base, Args: []Arg{Int(base + 2048)}}} })}},
		}
		s := begin(t, sys, plan)
		sees := &Seeing{Sees: []Seen{{Bytes: Bytes{base + 2048, []byte{5, 0, 0, 0}}}}}
		must(t, s.Play(Schedule{{Thread: 0, N: 1, Seeing: sees}, {Thread: 0, N: 1, Seeing: sees}, {Thread: 0}}))
		if got := s.Results(0); len(got) != 1 || uint32(got[0]) != 0 {
			t.Errorf("it has come to %v, want 0: it succeeds", got)
		}
		if b, _ := s.m.Read(base+2048, 4); binary.LittleEndian.Uint32(b) != 5 {
			t.Errorf("memory holds %v at the end, want what it wrote", b)
		}
	})
}
