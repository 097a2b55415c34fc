package emu

import (
	"bytes"
	"slices"
	"testing"

	"emurace/loader"
)

// TestUnknownCalls: an unknown call is told by name, by the instruction that made it and
// by the function that the thread was in, however often it is made and gone back from.
func TestUnknownCalls(t *testing.T) {
	eachSystem(t, func(t *testing.T, p *process) {
		if list := p.unknownCalls(); len(list) != 0 {
			t.Fatalf("before anything ran: %+v", list)
		}
		name := p.str("/")
		mark := p.mark()
		worker := p.spawn("worker")
		for _, thread := range []int{worker, 0, worker} {
			if got := p.call(thread, "swapoff", name); int32(got) != -1 {
				t.Errorf("swapoff: %#x", got)
			}
		}
		if got := int64(p.call(0, "syscall", 9999)); got != -1 {
			t.Errorf("syscall 9999: %d", got)
		}
		must(t, mark.Rewind())
		list := p.unknownCalls()
		if len(list) != 2 || !slices.Equal(p.unknownSyscalls(), []string{"swapoff", "syscall 9999"}) {
			t.Fatalf("%+v, names %q", list, p.unknownSyscalls())
		}
		for i, want := range []UnknownCall{{Name: "swapoff", Func: "swapoff", Times: 3}, {Name: "syscall 9999", Func: "syscall", Times: 1}} {
			got := list[i]
			want.PC = got.PC
			if got != want {
				t.Errorf("%+v, want %+v", got, want)
			}
			instruction := []byte{0x0f, 0x05}
			if p.Arch() == loader.ARM64 {
				instruction = []byte{0x01, 0, 0, 0xd4} // svc #0
			}
			if b, ok := p.Read(got.PC, uint64(len(instruction))); !ok || !bytes.Equal(b, instruction) {
				t.Errorf("%s: made by % x at %#x", got.Name, b, got.PC)
			}
		}
	})
}
