package oracle

import (
	"testing"

	"emurace/emu"
	"emurace/heap"
	"emurace/loader"
)

// decode makes a run of arbitrary bytes, six an event: accesses of two threads,
// now and then a call or a wake.
func decode(data []byte) *run {
	functions := heap.Functions()
	r := &run{arch: loader.ARM64, threads: 2, pointer: []uint64{0x1000, 0x2000}}
	r.order = func(pc uint64) ordering {
		return ordering{atomic: pc&1 != 0, rmw: pc&2 != 0, acquire: pc&4 != 0, release: pc&8 != 0, compares: pc&16 != 0, plainRMW: pc&33 == 32}
	}
	r.text = func(pc uint64) bool { return pc&64 != 0 }
	if len(data) > 0 && data[0]&1 != 0 {
		r.arch = loader.AMD64
	}
	for step := uint64(1); len(data) >= 6; step++ {
		b := data[:6]
		data = data[6:]
		thread := int(b[0] >> 1 & 1)
		addr := 0x10000 + uint64(b[1])
		switch b[0] >> 2 & 7 {
		case 0:
			r.calls = append(r.calls, emu.CallEvent{Thread: thread, Func: functions[int(b[2])%len(functions)], Args: [6]uint64{addr, uint64(b[3]), uint64(b[4])}, Step: step})
		case 1:
			if n := len(r.calls); n > 0 {
				c := r.calls[n-1]
				c.Returned, c.ReturnStep, c.Result = true, step, addr&^15
				r.calls = append(r.calls, c)
			}
		case 2:
			r.wakes = append(r.wakes, wake{step: step, from: thread, to: 1 - thread})
		default:
			kind := emu.LogRead
			if b[5]&1 != 0 {
				kind = emu.LogWrite
			}
			r.log = append(r.log, emu.LogEntry{Step: step, PC: uint64(b[2]), Addr: addr, Size: b[3]&7 + 1, Value: uint64(b[4]), Kind: kind, Thread: uint16(thread)})
		}
	}
	return r
}

// Whatever a run is, what is found are accesses of it: a race is of two threads,
// touches a common byte and writes; and the same run gives the same again.
func FuzzFind(f *testing.F) {
	f.Add([]byte{0, 0, 0, 8, 0, 0, 4, 16, 0, 8, 0, 0, 12, 16, 0, 7, 1, 1, 14, 16, 0, 7, 1, 0})
	f.Add([]byte{1, 0, 1, 8, 0, 0, 13, 16, 1, 3, 1, 1, 14, 16, 2, 3, 1, 0, 15, 18, 2, 3, 1, 1})
	f.Fuzz(func(t *testing.T, data []byte) {
		r := decode(data)
		found := findRaces(r, heap.New(loader.Glibc))
		for _, x := range found {
			if x.a.thread == x.b.thread || !x.a.write && !x.b.write || x.count == 0 {
				t.Fatalf("a race of %+v and %+v, %d times", x.a, x.b, x.count)
			}
			apart := x.a.addr >= x.b.addr+uint64(x.b.size) || x.b.addr >= x.a.addr+uint64(x.a.size)
			if apart && x.aFree == nil && x.bFree == nil {
				t.Fatalf("%+v and %+v have no byte in common", x.a, x.b)
			}
			// A realloc frees when it returns, and is named by its beginning.
			if x.a.step > x.b.step && x.bFree == nil {
				t.Fatalf("%+v comes before %+v", x.a, x.b)
			}
		}
		misused, err := findMisuses(r, heap.New(loader.Glibc), nil)
		must(t, err)
		for _, m := range misused {
			if m.count == 0 || m.kind == UseAfterFree && (m.block == nil || m.block.Freed == nil) {
				t.Fatalf("%+v", m)
			}
		}
		if again := findRaces(r, heap.New(loader.Glibc)); len(again) != len(found) {
			t.Fatalf("%d races, then %d", len(found), len(again))
		}
		if again, err := findMisuses(r, heap.New(loader.Glibc), nil); err != nil || len(again) != len(misused) {
			t.Fatalf("%d misuses, then %d", len(misused), len(again))
		}
	})
}
