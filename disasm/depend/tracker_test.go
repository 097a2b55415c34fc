package depend

import (
	"encoding/binary"
	"reflect"
	"testing"

	"emurace/loader"
)

type step struct {
	w   uint32
	acc []Access
}

func read(n int) []Access     { return []Access{{Addr: 0x1000, Size: 8, Event: n}} }
func write(n int) []Access    { return []Access{{Addr: 0x2000, Size: 8, Write: true, Event: n}} }
func private(w bool) []Access { return []Access{{Addr: 0x9000, Size: 8, Write: w, Event: -1}} }

// play runs the steps and returns the last event.
func play(t testing.TB, tr *Tracker, steps []step) (last Order) {
	for i, s := range steps {
		pc := uint64(i) * 4
		tr.fetch = func(uint64) []byte { return binary.LittleEndian.AppendUint32(nil, s.w) }
		orders, err := tr.Step(pc, s.acc)
		if err != nil {
			t.Fatal(err)
		}
		if len(orders) > 0 {
			last = orders[len(orders)-1]
		}
	}
	return last
}

const (
	ldr0  = 0xf9400020 // ldr x0, [x1]
	eor4  = 0xca000004 // eor x4, x0, x0
	str4  = 0xf9000064 // str x4, [x3]
	str6  = 0xf9000066 // str x6, [x3]
	cmp0  = 0xf100001f // cmp x0, #0
	csel4 = 0x9a8800e4 // csel x4, x7, x8, eq
)

func TestDependencies(t *testing.T) {
	e := []int{0}
	for _, c := range []struct {
		name             string
		steps            []step
		addr, data, pick []int
		before           []Item
	}{
		{"data", []step{{ldr0, read(0)}, {0xf9000060, write(1)}}, nil, e, nil, nil},
		{"none", []step{{ldr0, read(0)}, {str6, write(1)}}, nil, nil, nil, nil},
		{"eor", []step{{ldr0, read(0)}, {eor4, nil}, {str4, write(1)}}, nil, e, nil, nil},
		{"addr", []step{{ldr0, read(0)}, {eor4, nil}, {0x8b040065, nil}, {0xf90000a6, write(1)}}, e, nil, nil, nil},
		{"constant", []step{{ldr0, read(0)}, {eor4, nil}, {0xd2800024, nil}, {str4, write(1)}}, nil, nil, nil, nil},
		{"cbz", []step{{ldr0, read(0)}, {0xb4000040, nil}, {str6, write(1)}}, nil, nil, nil, []Item{{Kind: Branch, Reads: e}}},
		{"flags isb", []step{{ldr0, read(0)}, {cmp0, nil}, {0x54000040, nil}, {0xd5033fdf, nil}, {str6, write(1)}}, nil, nil, nil,
			[]Item{{Kind: Branch, Reads: e}, {Kind: FenceISB}}},
		{"csel", []step{{ldr0, read(0)}, {cmp0, nil}, {csel4, nil}, {str4, write(1)}}, nil, nil, e, nil},
		{"csel branch", []step{{ldr0, read(0)}, {cmp0, nil}, {csel4, nil}, {0xb4000044, nil}, {str6, write(1)}}, nil, nil, nil,
			[]Item{{Kind: Branch, Reads: e}}},
		{"spill", []step{{ldr0, read(0)}, {0xf90003e0, private(true)}, {0xf94003e4, private(false)}, {str4, write(1)}}, nil, e, nil, nil},
		{"vector", []step{{0x3dc00020, []Access{{Addr: 0x1000, Size: 16, Event: 0}}}, {0x3d800060, []Access{{Addr: 0x2000, Size: 16, Write: true, Event: 1}}}}, nil, e, nil, nil},
		{"post-index", []step{{0xf8408420, read(0)}, {0xf9000026, write(1)}}, nil, nil, nil, nil},
		{"ldp half", []step{{0xa9401020, []Access{{Addr: 0x1000, Size: 8, Event: 0}, {Addr: 0x1008, Size: 8, Event: 1}}}, {str4, write(2)}}, nil, []int{1}, nil, nil},
		{"private address", []step{{ldr0, read(0)}, {0xf9400002, private(false)}, {str6, write(1)}}, nil, nil, nil, []Item{{Kind: Branch, Reads: e}}},
		{"cas", []step{{ldr0, read(0)}, {0xc8a07c62, append([]Access{{Addr: 0x2000, Size: 8, Event: 1}}, write(1)...)}}, nil, nil, nil, nil},
		{"cas compares", []step{{ldr0, read(0)}, {0xc8a07c62, append([]Access{{Addr: 0x2000, Size: 8, Event: 1}}, write(1)...)}}, nil, nil, nil, nil},
	} {
		if c.name == "cas" {
			c.steps[1].w, c.pick = 0xc8a07c62, e // cas x0, x2, [x3]: x0 only decides
		}
		if c.name == "cas compares" {
			c.steps[1].w, c.data = 0xc8a27c60, e // cas x2, x0, [x3]: x0 is stored
		}
		tr := New(loader.ARM64, nil)
		mark := tr.Mark()
		for range 2 { // and the same again after a rewind
			o := play(t, tr, c.steps)
			if !reflect.DeepEqual([][]int{o.Addr, o.Data, o.Pick}, [][]int{c.addr, c.data, c.pick}) || !reflect.DeepEqual(o.Before, c.before) || o.Unsure {
				t.Errorf("%s: addr %v data %v pick %v before %v unsure %v", c.name, o.Addr, o.Data, o.Pick, o.Before, o.Unsure)
			}
			tr.Rewind(mark)
			if len(tr.regs)+len(tr.mem)+len(tr.before) != 0 {
				t.Errorf("%s: a rewind leaves %v %v %v", c.name, tr.regs, tr.mem, tr.before)
			}
		}
	}
}

func TestLink(t *testing.T) {
	if o := play(t, New(loader.ARM64, nil), []step{{0xc85f7c20, read(4)}, {0xc8027c20, write(5)}}); o.Link != 5 || len(o.Data) != 1 {
		t.Errorf("link %d, data %v", o.Link, o.Data)
	}
}

func FuzzStep(f *testing.F) {
	f.Add([]byte{0x20, 0, 0x40, 0xf9}, uint64(1), 8, true)
	f.Fuzz(func(_ *testing.T, code []byte, at uint64, size int, w bool) {
		for _, arch := range []loader.Arch{loader.ARM64, loader.AMD64} {
			tr := New(arch, func(uint64) []byte { return code })
			for n := range 3 {
				_, _ = tr.Step(0, []Access{{Addr: at, Size: size, Write: w, Kept: n == 1, Event: n - 1}, {Addr: at + 8, Size: 8, Write: !w, Event: n - 1}})
			}
		}
	})
}

func BenchmarkStep(b *testing.B) {
	tr := New(loader.ARM64, func(uint64) []byte { return []byte{4, 0, 0, 0xca} })
	tr.regs["x0"] = value{hard: []int{1}}
	for b.Loop() {
		_, _ = tr.Step(0, nil)
		tr.Rewind(0)
	}
}
