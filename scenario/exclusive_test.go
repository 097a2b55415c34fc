package scenario

import (
	"slices"
	"testing"

	"emurace/internal/testsystem"
	"emurace/loader"
)

// A store exclusive of arm64 is an event that reads the bytes it is about,
// whether it succeeds or fails and whatever made it fail; what it changes it
// writes as well. So it depends on every store that its monitor may notice, and
// on no other.
func TestStoreExclusiveIsAnEvent(t *testing.T) {
	sys := testsystem.Of(t, "bookworm", loader.ARM64)
	const ret, atData = 0xd65f03c0, 2048
	// The second argument is what to store.
	exclusive := machineCode{arm64: []uint32{
		0x885f7c02, // ldxr w2, [x0]
		0x88047c01, // stxr w4, w1, [x0]
		0x2a0403e0, // mov w0, w4
		ret,
	}}
	others := []struct {
		name      string
		code      uint32
		fails     bool
		dependent bool
	}{
		{"str w1, [x0]", 0xb9000001, true, true},
		{"strb w1, [x0, #3]", 0x39000c01, true, true},
		{"strb w1, [x0, #4]", 0x39001001, false, false},
		{"ldr w1, [x0]", 0xb9400001, false, true}, // a success is a write
		{"casa w2, w1, [x0], other", 0x88e27c01, false, true},
	}
	for _, o := range others {
		other := machineCode{arm64: []uint32{0x52800022, o.code, ret}} // mov w2, #1
		code := slices.Concat(exclusive.of(sys.Arch), other.of(sys.Arch))
		var base uint64
		plan := &Plan{Setup: func(u *Setup) (err error) {
			base, err = u.Code(code, 4096)
			return err
		}}
		calls := func(offset int, value uint64) Body {
			return known(func() Calls {
				return Calls{{Func: "code", Addr: base + uint64(offset), Args: []Arg{Int(base + atData), Int(value)}}}
			})
		}
		plan.Threads = []Thread{{Main, calls(0, 7)}, {"other", calls(len(exclusive.arm64)*4, 0)}}
		s := begin(t, sys, plan)
		s.m.WantEvents(true)
		must(t, s.m.AddShared(map[uint64]uint8{base + atData: 0xff}))
		next := func(thread int) Event {
			e, err := s.RunEvent(thread)
			must(t, err)
			return e
		}
		peek := func(thread int) Event {
			m, err := s.Mark()
			must(t, err)
			defer m.Drop()
			e := next(thread)
			must(t, m.Rewind())
			return e
		}
		next(0)
		before, store := peek(0), next(1)
		read := Access{Addr: base + atData, Size: 4}
		wrote := Access{Addr: base + atData, Size: 4, Write: true}
		if want := []Access{read, wrote}; !slices.Equal(before.Accesses, want) {
			t.Errorf("%s: before it, the store exclusive accesses %v, want %v", o.name, before.Accesses, want)
		}
		if got := before.Dependent(&store); got != o.dependent {
			t.Errorf("%s: dependent %v", o.name, got)
		}
		want := []Access{read, wrote}
		if o.fails {
			want[1].Write = false
		}
		after := next(0)
		if !slices.Equal(after.Accesses, want) {
			t.Errorf("%s: after it, the store exclusive accesses %v, want %v", o.name, after.Accesses, want)
		}
		for s.Runnable(0) {
			next(0)
		}
		if failed := s.Results(0)[0] == 1; failed != o.fails {
			t.Errorf("%s: the store exclusive fails: %v", o.name, failed)
		}
	}
}
