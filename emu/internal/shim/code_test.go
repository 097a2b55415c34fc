package shim

import (
	"encoding/binary"
	"fmt"
	"reflect"
	"testing"

	"emurace/loader"
)

// constant is code that puts v into the second argument register and stays
// there: `movz x1, #v; b .` or `mov $v, %ecx; jmp .`.
func constant(arch loader.Arch, v uint16) []byte {
	if arch == loader.ARM64 {
		return words(0xd2800001|uint32(v)<<5, 0x14000000)
	}
	return append(binary.LittleEndian.AppendUint32([]byte{0xb9}, uint32(v)), 0xeb, 0xfe)
}

const (
	oldCode  = 7
	newCode  = 8
	codePage = codeAt + 8*PageSize // has a page that is not executable before it
)

// ways to put new code where old code has run.
var codeChanges = []struct {
	name   string
	change func(t *testing.T, e *Engine, code []byte)
}{
	{"store into executable page", func(t *testing.T, e *Engine, code []byte) {
		must(t, e.Store(0, codePage, code))
	}},
	{"writable for a while", func(t *testing.T, e *Engine, code []byte) {
		must(t, e.SetPages(codePage, PageSize, Read|Write|Mapped))
		must(t, e.Store(0, codePage, code))
		must(t, e.SetPages(codePage, PageSize, Read|Exec|Mapped))
	}},
	{"writable for a while, together with its neighbour", func(t *testing.T, e *Engine, code []byte) {
		must(t, e.SetPages(codePage-PageSize, 2*PageSize, Read|Write|Mapped))
		must(t, e.Store(0, codePage, code))
		must(t, e.SetPages(codePage, PageSize, Read|Exec|Mapped))
	}},
	{"unmapped and mapped", func(t *testing.T, e *Engine, code []byte) {
		must(t, e.SetPages(codePage-PageSize, 2*PageSize, 0))
		must(t, e.Forget(codePage-PageSize, 2*PageSize))
		must(t, e.SetPages(codePage, PageSize, Read|Write|Mapped))
		must(t, e.Store(0, codePage, code))
		must(t, e.SetPages(codePage-PageSize, 2*PageSize, Read|Exec|Mapped))
	}},
	{"stored before it is mapped", func(t *testing.T, e *Engine, code []byte) {
		must(t, e.SetPages(codePage, PageSize, 0))
		must(t, e.Store(0, codePage, code))
		must(t, e.SetPages(codePage, PageSize, Read|Exec|Mapped))
	}},
	{"stored by a thread", func(t *testing.T, e *Engine, code []byte) {
		must(t, e.SetPages(codePage, PageSize, Read|Write|Exec|Mapped))
		storeByThread(t, e, code)
	}},
	{"stored by a thread, writable for a while", func(t *testing.T, e *Engine, code []byte) {
		must(t, e.SetPages(codePage, PageSize, Read|Write|Mapped))
		storeByThread(t, e, code)
		must(t, e.SetPages(codePage, PageSize, Read|Exec|Mapped))
	}},
}

// storers store the value register at the address register: `str x2, [x0]` or
// `mov %rdx, (%rdi)`.
var storers = map[loader.Arch][]byte{
	loader.ARM64: words(0xf9000002),
	loader.AMD64: {0x48, 0x89, 0x17},
}

func storeByThread(t *testing.T, e *Engine, code []byte) {
	t.Helper()
	set(t, e, 1, "pc", codeAt)
	set(t, e, 1, "addr", codePage)
	set(t, e, 1, "value", wordOf(append(code, 0)[:8]))
	if s := run(t, e, 1, 1); s.Ran != 1 {
		t.Fatalf("store: %+v", s)
	}
}

// TestNewCodeIsRun: whichever way code changes, and is changed back by a
// rewind, the processor runs what memory holds.
func TestNewCodeIsRun(t *testing.T) {
	eachArch(t, func(t *testing.T, arch loader.Arch) {
		for _, c := range codeChanges {
			for _, flush := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s, flush %v", c.name, flush), func(t *testing.T) {
					e := newEngine(t, arch, storers[arch], 2, true)
					must(t, e.SetPages(codePage-PageSize, PageSize, Read|Mapped))
					must(t, e.SetPages(codePage, PageSize, Read|Exec|Mapped))
					must(t, e.Store(0, codePage, constant(arch, oldCode)))
					set(t, e, 0, "pc", codePage)
					expect := func(when string, want uint64) {
						t.Helper()
						set(t, e, 0, "pc", codePage)
						if s := run(t, e, 0, 3); s.Ran != 3 {
							t.Fatalf("%s: %+v", when, s)
						}
						if v := get(t, e, 0, "count"); v != want {
							t.Errorf("%s: ran the code for %d, want %d", when, v, want)
						}
						if flush {
							must(t, e.flushTLB())
						}
					}
					expect("at first", oldCode)
					mark, err := e.Mark()
					must(t, err)
					defer mark.Drop()
					for range 2 {
						c.change(t, e, constant(arch, newCode))
						expect("after the change", newCode)
						must(t, mark.Rewind())
						expect("after rewinding", oldCode)
						must(t, mark.Rewind())
						// And when the new code was never run.
						c.change(t, e, constant(arch, newCode))
						must(t, mark.Rewind())
						expect("after rewinding at once", oldCode)
						must(t, mark.Rewind())
					}
				})
			}
		}
	})
}

// TestNoCodeWithoutPermission: code that was translated while it could be run
// cannot be run once its page forbids it, not even in the middle of a loop.
func TestNoCodeWithoutPermission(t *testing.T) {
	eachArch(t, func(t *testing.T, arch loader.Arch) {
		for _, bits := range []Prot{0, Mapped | Read, Mapped | Read | Write} {
			e := newEngine(t, arch, loops[arch], 1, true)
			run(t, e, 0, 100)
			must(t, e.SetPages(codeAt, PageSize, bits))
			pc := e.ReadPC(t)
			if s := run(t, e, 0, 100); s.Reason != StopFault || s.Fault != (Fault{Addr: pc, PC: pc, Access: Exec, Mapped: bits != 0}) || s.Ran != 0 {
				t.Errorf("pages %d: %+v", bits, s)
			}
			must(t, e.SetPages(codeAt, PageSize, Read|Exec|Mapped))
			if s := run(t, e, 0, 100); s.Ran != 100 {
				t.Errorf("pages %d, allowed again: %+v", bits, s)
			}
		}
	})
}

// Code of amd64 that writes to its own block runs as on a processor: each instruction
// once, the next one as it is then, whichever way it is cut into slices.
func TestCodeWritesItself(t *testing.T) {
	programs := map[string][]byte{
		"one before it": {
			0xb9, 7, 0, 0, 0, // mov $7, %ecx
			0xc6, 0x05, 0xf5, 0xff, 0xff, 0xff, 9, // movb $9, -11(%rip)
			0xeb, 0xf2, // to the beginning
		},
		"the next instruction": {
			0xc6, 0x05, 0x01, 0, 0, 0, 9, // movb $9, 1(%rip): the operand below
			0xb9, 7, 0, 0, 0, // mov $7, %ecx
			0xeb, 0xfe, // jmp .
		},
		"one further on": {
			0xc6, 0x05, 0x04, 0, 0, 0, 9, // movb $9, 4(%rip)
			0x48, 0x31, 0xd2, // xor %rdx, %rdx
			0xb9, 7, 0, 0, 0,
			0xeb, 0xfe,
		},
		"itself, as it is": {
			0x80, 0x05, 0xf9, 0xff, 0xff, 0xff, 0, // addb $0, -7(%rip): its own first byte
			0xb9, 9, 0, 0, 0,
			0xeb, 0xfe,
		},
		"one that is left out": {
			0x66, 0xc7, 0x05, 0x00, 0, 0, 0, 0xeb, 0x05, // movw $0x05eb, 0(%rip): jmp over what follows
			0xb9, 7, 0, 0, 0, 0x90, 0x90,
			0xb9, 9, 0, 0, 0,
			0xeb, 0xfe,
		},
	}
	for name, code := range programs {
		t.Run(name, func(t *testing.T) {
			type state struct {
				steps, count, pc uint64
				log              []Access
			}
			var want *state
			for _, slice := range []uint64{100, 1, 2, 3} {
				e := newEngine(t, loader.AMD64, code, 2, true)
				must(t, e.SetLogging(true))
				must(t, e.SetPages(codePage-PageSize, PageSize, Read|Mapped))
				must(t, e.SetPages(codePage, PageSize, Read|Write|Exec|Mapped))
				must(t, e.Store(0, codePage, code))
				set(t, e, 0, "pc", codePage)
				n, before := e.LogLen(), e.Steps()
				for ran := uint64(0); ran < 12; {
					s := run(t, e, 0, min(slice, 12-ran))
					if s.Ran == 0 {
						t.Fatalf("in slices of %d: %+v", slice, s)
					}
					ran += s.Ran
				}
				got := &state{e.Steps() - before, get(t, e, 0, "count"), e.ReadPC(t), nil}
				for a := range e.Log().From(n).All() {
					a.Step -= before
					got.log = append(got.log, a)
				}
				if got.count != 9 || got.steps != 12 || len(got.log) == 0 || len(got.log) > 4 {
					t.Errorf("in slices of %d: %+v", slice, got)
				}
				if want == nil {
					want = got
				}
				if !reflect.DeepEqual(got, want) {
					t.Errorf("in slices of %d: %+v, want %+v", slice, got, want)
				}
			}
		})
	}
}
