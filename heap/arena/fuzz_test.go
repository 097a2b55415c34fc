package arena_test

import (
	"encoding/binary"
	"testing"

	"emurace/heap/arena"
	"emurace/loader"
)

// FuzzRead: memory may hold anything. Each 12 bytes of the input overwrite a word of a small process: where in
// it, and the value. Nothing panics, what is found keeps within the memory, and questions are answered in
// bounded time.
func FuzzRead(f *testing.F) {
	patch := func(where uint32, value uint64) []byte {
		return binary.LittleEndian.AppendUint64(binary.LittleEndian.AppendUint32(nil, where), value)
	}
	f.Add(uint8(0), []byte{})
	f.Add(uint8(6), patch(0x2a0/8, 0))                                           // a size
	f.Add(uint8(8), patch(0x10000/8+0x2aa0/8+3, heapAt))                         // a link of a bin
	f.Add(uint8(5), patch(0x10000/8+0x2aa0/8+(112+2048)/8, 0x7f0000002aa8))      // the ring
	f.Add(uint8(3), append(patch(0x98/8, heapAt+0x10), patch(1, ^uint64(0))...)) // a cache's list
	f.Fuzz(func(t *testing.T, which uint8, data []byte) {
		v := versions[int(which)%len(versions)]
		arch := loader.ARM64
		if which >= 128 {
			arch = loader.AMD64
		}
		states := []arena.State{arena.InUse, arena.InCache, arena.InFast, arena.Unsorted, arena.InUse, arena.InCache}
		d := build(v, arch, 24, func(i int) (uint64, arena.State) { return 32 + 16*uint64(i%9), states[i%len(states)] })
		if len(data) > 12*64 {
			data = data[:12*64]
		}
		for ; len(data) >= 12; data = data[12:] {
			at := 8 * uint64(binary.LittleEndian.Uint32(data)%(0x20000/8))
			if at < 0x10000 {
				at += heapAt
			} else if at < 0x18000 {
				at += libcAt - 0x10000
			} else {
				at += tlsAt - 0x18000
			}
			d.mem.words[at] = binary.LittleEndian.Uint64(data[4:])
		}
		if which&64 != 0 {
			d.Version, d.Libc, d.Threads[0].TP = "", arena.Module{}, 0
		}
		mal := arena.Read(d.Process)
		in := func(e arena.Extent) bool {
			for _, r := range d.mem.regions {
				if e.Lo >= r.Lo && e.Hi <= r.Hi+8 { // a mapping's last block may count the word behind
					return true
				}
			}
			return false
		}
		for _, want := range d.chunks {
			for _, addr := range []uint64{want.Addr, want.Addr + 16, want.Addr + want.Size - 8} {
				c, ok := mal.At(addr)
				if ok && (!c.Holds(addr) || !in(c.Block()) && c.Block().Lo < c.Block().Hi) {
					t.Errorf("%#x is in %+v", addr, c)
				}
				value, _ := d.mem.Read64(addr &^ 7)
				for _, s := range append(mal.Meaning(addr, value), mal.MeaningOf(value, addr)...) {
					if s.String() == "" || len(s.Evidence) == 0 {
						t.Errorf("%#x at %#x is %+v", value, addr, s)
					}
				}
				mal.Around(addr, 4, 4)
				mal.Owners(addr)
			}
		}
	})
}
