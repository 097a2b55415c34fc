package scenario

import (
	"encoding/binary"
	"testing"

	"emurace/emu"
	"emurace/internal/testsystem"
	"emurace/loader"
)

var eachArch = testsystem.Each

func begin(t testing.TB, sys *emu.System, plan *Plan) *Session {
	t.Helper()
	s, err := Start(sys, plan, 1)
	must(t, err)
	t.Cleanup(s.Close)
	return s
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// known is a Body whose calls are known only when Setup has run.
type known func() Calls

func (k known) Next(results []uint64) (Call, bool, error) { return k().Next(results) }

// machineCode is a piece of code for both architectures.
type machineCode struct {
	arm64 []uint32
	amd64 string
}

func (c machineCode) of(arch loader.Arch) []byte {
	if arch == loader.AMD64 {
		return []byte(c.amd64)
	}
	var b []byte
	for _, w := range c.arm64 {
		b = binary.LittleEndian.AppendUint32(b, w)
	}
	return b
}

var (
	endless   = machineCode{[]uint32{0x14000000}, "\xeb\xfe"} // b . and jmp .
	undefined = machineCode{[]uint32{0x00000000}, "\x0f\x0b"} // udf #0 and ud2
	// mov w0, #7; ret and mov $7, %eax; ret
	seven = machineCode{[]uint32{0x528000e0, 0xd65f03c0}, "\xb8\x07\x00\x00\x00\xc3"}
)

// runs is a plan in which main runs a piece of machine code once.
func runs(c machineCode, arch loader.Arch) *Plan {
	at := uint64(0)
	return &Plan{
		Setup: func(u *Setup) (err error) {
			at, err = u.Code(c.of(arch), 4096)
			return err
		},
		Threads: []Thread{{Main, known(func() Calls { return Calls{{Func: "code", Addr: at}} })}},
	}
}

func call(fn string, args ...Arg) Call { return Call{Func: fn, Args: args} }

// play plays a schedule and tells how the race came out.
func play(t testing.TB, s *Session, schedule Schedule) Outcome {
	t.Helper()
	must(t, s.Play(schedule))
	o, over := s.Outcome()
	if !over {
		t.Fatalf("after %v the race is not over", schedule.Texts(s.Names()))
	}
	return o
}

func digest(t testing.TB, s *Session) string {
	t.Helper()
	d, err := s.Digest()
	must(t, err)
	return d
}
