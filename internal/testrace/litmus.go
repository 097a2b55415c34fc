package testrace

import (
	"encoding/binary"
	"testing"

	"emurace/internal/guestcode"
	"emurace/loader"
	"emurace/scenario"
)

// Litmus is a litmus test of two threads, of plain accesses to two words, whose run fails where it has come out as
// under sequential consistency it cannot.
type Litmus struct {
	Name string
	// What main and worker do: functions of the source below.
	calls [2]string
	// What comes out: what the threads return, and what the words hold at the end.
	weak func(r [2]uint64, x, y uint32) bool
}

// Litmuses are those whose weak run ARMv8 allows.
func Litmuses() []Litmus {
	return []Litmus{
		{"SB", [2]string{"WxRy", "WyRx"}, func(r [2]uint64, _, _ uint32) bool { return r[0] == 0 && r[1] == 0 }},
		{"MP", [2]string{"WxWy", "RyRx"}, func(r [2]uint64, _, _ uint32) bool { return r[1] == 16 }},
		{"S", [2]string{"W2xWy", "RyWx"}, func(r [2]uint64, x, _ uint32) bool { return r[1] == 1 && x == 2 }},
		{"R", [2]string{"WxWy", "W2yRx"}, func(r [2]uint64, _, y uint32) bool { return r[1] == 0 && y == 2 }},
		{"2+2W", [2]string{"W2xWy", "W2yWx"}, func(_ [2]uint64, x, y uint32) bool { return x == 2 && y == 2 }},
	}
}

const litmusSource = `
	typedef unsigned u32;
	volatile u32 x[64], y[64];
	u32 WxRy(void) { *x = 1; return *y; }
	u32 WyRx(void) { *y = 1; return *x; }
	u32 WxWy(void) { *x = 1; *y = 1; return 0; }
	u32 W2xWy(void) { *x = 2; *y = 1; return 0; }
	u32 W2yWx(void) { *y = 2; *x = 1; return 0; }
	u32 W2yRx(void) { *y = 2; return *x; }
	u32 RyRx(void) { u32 r = *y; return 16 * r + *x; }
	u32 RyWx(void) { u32 r = *y; *x = 1; return r; }`

// Plan is the test's race.
func (l *Litmus) Plan(t testing.TB, arch loader.Arch) *scenario.Plan {
	t.Helper()
	code := guestcode.Build(t, arch, litmusSource)
	base := uint64(0)
	plan := &scenario.Plan{
		Setup: func(u *scenario.Setup) (err error) {
			base, err = u.Code(code.Bytes, uint64(len(code.Bytes)))
			return err
		},
		Check: func(v *scenario.View) error {
			var held [2]uint32
			for i, word := range []string{"x", "y"} {
				b, ok := v.Read(base+code.Symbols[word], 4)
				if !ok {
					return &scenario.Failure{Message: word + " is not mapped"}
				}
				held[i] = binary.LittleEndian.Uint32(b)
			}
			if l.weak([2]uint64{v.Results(0)[0], v.Results(1)[0]}, held[0], held[1]) {
				return &scenario.Failure{Message: l.Name + " has come out weak"}
			}
			return nil
		},
	}
	for i, name := range []string{scenario.Main, "worker"} {
		plan.Threads = append(plan.Threads, scenario.Thread{Name: name, Body: Called(func() scenario.Calls {
			return scenario.Calls{{Func: l.calls[i], Addr: base + code.Symbols[l.calls[i]]}}
		})})
	}
	return plan
}
