package testrace

import (
	"encoding/binary"
	"math/rand/v2"
	"testing"

	"emurace/emu"
	"emurace/internal/guestcode"
	"emurace/loader"
	"emurace/scenario"
)

// Buffering is the litmus test SB: main and worker each store 1 to a word of their own and load the other one's. A
// run in which both have loaded 0 fails, which no order of the instructions leads to.
type Buffering struct {
	arch  loader.Arch
	words [2]uint64
}

// NewBuffering is the race for an architecture. Its words are known when a session has begun.
func NewBuffering(arch loader.Arch) *Buffering { return &Buffering{arch: arch} }

// code is: str w2, [x0]; ldr w0, [x1]; ret, or mov [rdi], edx; mov eax, [rsi]; ret.
func (b *Buffering) code() []byte {
	if b.arch == loader.AMD64 {
		return []byte("\x89\x17\x8b\x06\xc3")
	}
	var code []byte
	for _, w := range []uint32{0xb9000002, 0xb9400020, 0xd65f03c0} {
		code = binary.LittleEndian.AppendUint32(code, w)
	}
	return code
}

// Scenario is the race as one.
func (b *Buffering) Scenario() *scenario.Scenario {
	return &scenario.Scenario{Name: "buffering", Summary: "store buffering", Build: func(scenario.Values) (*scenario.Plan, error) {
		base := uint64(0)
		p := &scenario.Plan{
			Setup: func(u *scenario.Setup) (err error) {
				base, err = u.Code(b.code(), 4096)
				b.words = [2]uint64{base + 2048, base + 2112}
				return err
			},
			Check: func(v *scenario.View) error {
				if uint32(v.Results(0)[0]) == 0 && uint32(v.Results(1)[0]) == 0 {
					return &scenario.Failure{Message: "both have loaded 0"}
				}
				return nil
			},
		}
		for i, name := range []string{scenario.Main, "worker"} {
			p.Threads = append(p.Threads, scenario.Thread{Name: name, Body: Called(func() scenario.Calls {
				return scenario.Calls{{Func: "code", Addr: base, Args: []scenario.Arg{
					scenario.Int(b.words[i]), scenario.Int(b.words[1-i]), scenario.Int(1)}}}
			})})
		}
		return p, nil
	}}
}

// Words are the addresses of main's word and of worker's.
func (b *Buffering) Words() [2]uint64 { return b.words }

// Loaded is the register that the loads are to, as gdb names it, with 32 bits.
func (b *Buffering) Loaded() string {
	if b.arch == loader.AMD64 {
		return "eax"
	}
	return "w0"
}

// Schedule is one in which both loads find 0: of instructions 3, worker's, and 4, main's.
func (b *Buffering) Schedule() scenario.Schedule {
	sees := func(at uint64) *scenario.Seeing {
		return &scenario.Seeing{Sees: []scenario.Seen{{Bytes: scenario.Bytes{Addr: at, Data: make([]byte, 4)}}}}
	}
	return scenario.Schedule{
		{Thread: 0, N: 1},
		{Thread: 1, N: 2, Seeing: sees(b.words[0])},
		{Thread: 0, N: 1, Seeing: sees(b.words[1])},
		{Thread: 0}, {Thread: 1},
	}
}

// Odd is a race of main and worker, each of which stores to its word and adds up what it loads of the other one's,
// n times, and a schedule of it that has random instructions see and leave random bytes: what a run has lost of that
// shows in its sums.
func Odd(t testing.TB, sys *emu.System, r *rand.Rand, n uint64) (*scenario.Plan, func() scenario.Schedule) {
	t.Helper()
	const source = `
		volatile unsigned long words[64];
		unsigned long count(unsigned long own, unsigned long n)
		{
			unsigned long sum = 0;
			for (unsigned long i = 1; i <= n; i++) {
				words[own] = i;
				sum = sum * 3 + words[own ^ 32];
			}
			return sum;
		}`
	code := guestcode.Build(t, sys.Arch, source)
	base := uint64(0)
	plan := &scenario.Plan{Setup: func(u *scenario.Setup) (err error) {
		base, err = u.Code(code.Bytes, uint64(len(code.Bytes)))
		return err
	}}
	for i, name := range []string{scenario.Main, "worker"} {
		plan.Threads = append(plan.Threads, scenario.Thread{Name: name, Body: Called(func() scenario.Calls {
			return scenario.Calls{{Func: "count", Addr: base + code.Symbols["count"], Args: []scenario.Arg{
				scenario.Int(32 * uint64(i)), scenario.Int(n)}}}
		})})
	}
	return plan, func() scenario.Schedule {
		bytes := func() scenario.Bytes {
			data := binary.LittleEndian.AppendUint64(nil, r.Uint64())
			return scenario.Bytes{Addr: base + code.Symbols["words"] + 256*r.Uint64N(2), Data: data[:1+r.IntN(8)]}
		}
		var schedule scenario.Schedule
		var used [2]uint64
		for range 30 {
			sl := scenario.Slice{Thread: r.IntN(2), N: 1 + r.Uint64N(12), Seeing: &scenario.Seeing{}}
			if used[sl.Thread] += sl.N; used[sl.Thread] > 4*n { // a turn of the loop takes more
				continue
			}
			for range r.IntN(3) {
				sl.Seeing.Sees = append(sl.Seeing.Sees, scenario.Seen{Bytes: bytes(), Step: r.Uint64N(2) * r.Uint64N(50)})
			}
			if r.IntN(3) == 0 {
				sl.Seeing.Leaves = append(sl.Seeing.Leaves, bytes())
			}
			if len(sl.Seeing.Sees)+len(sl.Seeing.Leaves) == 0 {
				sl.Seeing = nil
			}
			schedule = append(schedule, sl)
		}
		return append(schedule, scenario.Slice{Thread: 0}, scenario.Slice{Thread: 1})
	}
}
