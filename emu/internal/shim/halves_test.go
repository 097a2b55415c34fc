package shim

import (
	"encoding/binary"
	"fmt"
	"slices"
	"testing"

	"emurace/loader"
)

// cell is the word in memory that tests of halves are about; [rdi] is it.
const cell = dataAt + 0x40

// aside is another one, [rsi].
const aside = dataAt + 0x80

// An instruction that may end in its middle, on cell holding 5 and registers rax = 5,
// rcx = 1, rdx = 7, rsp in memory; what it writes where, and what of its registers changes.
type divided struct {
	name   string
	code   []byte
	writes []Store
	regs   map[string]uint64
}

const stackAt = dataAt + 0x1000

func dividedOnes() []divided {
	w8 := func(addr, value uint64) []Store { return []Store{{addr, value, 8, false, ""}} }
	return []divided{
		{"add [rdi], rdx", []byte{0x48, 0x01, 0x17}, w8(cell, 12), nil},
		{"add dword [rdi], 1", []byte{0x83, 0x07, 0x01}, []Store{{cell, 6, 4, false, ""}}, nil},
		{"inc byte [rdi]", []byte{0xfe, 0x07}, []Store{{cell, 6, 1, false, ""}}, nil},
		{"neg qword [rdi]", []byte{0x48, 0xf7, 0x1f}, w8(cell, 1<<64-5), nil},
		{"not word [rdi]", []byte{0x66, 0xf7, 0x17}, []Store{{cell, 0xfffa, 2, false, ""}}, nil},
		{"bts [rdi], ecx", []byte{0x0f, 0xab, 0x0f}, []Store{{cell, 7, 4, false, ""}}, nil},
		{"xadd [rdi], rdx", []byte{0x48, 0x0f, 0xc1, 0x17}, w8(cell, 12), map[string]uint64{"rdx": 5}},
		{"cmpxchg [rdi], rdx", []byte{0x48, 0x0f, 0xb1, 0x17}, w8(cell, 7), nil},
		{"shl qword [rdi], cl", []byte{0x48, 0xd3, 0x27}, w8(cell, 10), nil},
		{"or qword [rdi], 0", []byte{0x48, 0x83, 0x0f, 0x00}, w8(cell, 5), nil},
		{"push [rdi]", []byte{0xff, 0x37}, w8(stackAt-8, 5), map[string]uint64{"rsp": stackAt - 8}},
		{"pop [rdi]", []byte{0x8f, 0x07}, w8(cell, 99), map[string]uint64{"rsp": stackAt + 8}},
		{"movsq", []byte{0x48, 0xa5}, w8(cell, 77), map[string]uint64{"rdi": cell + 8, "rsi": aside + 8}},
		{"rep movsq", []byte{0xf3, 0x48, 0xa5}, w8(cell, 77), map[string]uint64{"rdi": cell + 8, "rsi": aside + 8, "rcx": 0}},
	}
}

func storeWord(t *testing.T, e *Engine, addr, v uint64) {
	t.Helper()
	must(t, e.Store(0, addr, binary.LittleEndian.AppendUint64(nil, v)))
}

func wordAt(t *testing.T, e *Engine, addr uint64) uint64 {
	t.Helper()
	return binary.LittleEndian.Uint64(e.View(addr, 8))
}

// halvesEngine has the code followed by nops, and two threads at its beginning with the
// registers and memory that divided says.
func halvesEngine(t *testing.T, code []byte) *Engine {
	t.Helper()
	e := newEngine(t, loader.AMD64, append(slices.Clone(code), slices.Repeat([]byte{0x90}, 32)...), 2, true)
	for thread := range 2 {
		for role, v := range map[string]uint64{"addr": cell, "rsi": aside, "rax": 5, "count": 1, "value": 7, "sp": stackAt} {
			set(t, e, thread, role, v)
		}
	}
	storeWord(t, e, cell, 5)
	storeWord(t, e, aside, 77)
	storeWord(t, e, stackAt, 99)
	return e
}

// keep sets a mark, so that there is a log.
func keep(t *testing.T, e *Engine) *Mark {
	t.Helper()
	mark, err := e.Mark()
	must(t, err)
	t.Cleanup(mark.Drop)
	return mark
}

// registersOf are a thread's registers but for the pc.
func registersOf(t *testing.T, e *Engine, thread int) map[string]uint64 {
	t.Helper()
	list := map[string]uint64{}
	for _, r := range Regs(loader.AMD64) {
		if r.Size == 8 {
			list[r.Name] = get(t, e, thread, r.Name)
		}
	}
	return list
}

// An instruction in two halves does what it does in one, and between them memory is as it
// was.
func TestHalvesAsOne(t *testing.T) {
	for _, d := range dividedOnes() {
		t.Run(d.name, func(t *testing.T) {
			whole := halvesEngine(t, d.code)
			mark, err := whole.Mark()
			if err != nil {
				t.Fatal(err)
			}
			defer mark.Drop()
			if _, err := whole.Run(0, 1); err != nil {
				t.Fatal(err)
			}
			want, regs := memoryOf(t, whole), registersOf(t, whole, 0)
			if err := mark.Rewind(); err != nil {
				t.Fatal(err)
			}
			before := memoryOf(t, whole)
			for round := range 3 { // a rewind forgets what is held
				s, err := whole.RunHalf(0)
				if err != nil || s.Ran != 1 || !whole.Holds(0) {
					t.Fatalf("round %d: %+v %v, holds %v", round, s, err, whole.Holds(0))
				}
				if memoryOf(t, whole) != before {
					t.Fatal("memory has changed already")
				}
				if got := registersOf(t, whole, 0); fmt.Sprint(got) != fmt.Sprint(regs) {
					t.Fatalf("registers behind the first half are not those behind the instruction:\n%v\n%v", got, regs)
				}
				pc, stores := whole.Held(0)
				if pc != codeAt || !slices.Equal(stores, d.writes) {
					t.Fatalf("at %#x it holds %+v, want %+v", pc, stores, d.writes)
				}
				for name, v := range d.regs {
					if got := get(t, whole, 0, name); got != v {
						t.Errorf("%s is %#x, want %#x", name, got, v)
					}
				}
				between, err := whole.Mark()
				if err != nil {
					t.Fatal(err)
				}
				for range 2 {
					if s, err = whole.Run(0, 10); err != nil || s.Reason != StopBudget || s.Ran != 1 || whole.Holds(0) {
						t.Fatalf("the rest: %+v %v", s, err)
					}
					if memoryOf(t, whole) != want {
						t.Fatal("memory is not as behind the instruction")
					}
					if got := registersOf(t, whole, 0); fmt.Sprint(got) != fmt.Sprint(regs) {
						t.Fatalf("registers %v, want %v", got, regs)
					}
					if err := between.Rewind(); err != nil {
						t.Fatal(err)
					}
					if !whole.Holds(0) || memoryOf(t, whole) != before {
						t.Fatal("going back to its middle has not brought back what it holds")
					}
				}
				between.Drop()
				if err := mark.Rewind(); err != nil {
					t.Fatal(err)
				}
				if whole.Holds(0) {
					t.Fatal("it holds what it had not done at the mark")
				}
			}
		})
	}
}

func memoryOf(t *testing.T, e *Engine) string {
	t.Helper()
	return string(e.View(dataAt, 4*PageSize))
}

// What comes between the two halves is lost, or is what the store finds.
func TestHalvesLoseUpdates(t *testing.T) {
	e := halvesEngine(t, []byte{0x48, 0x01, 0x17}) // add [rdi], rdx
	keep(t, e)
	for thread := range 2 {
		if _, err := e.RunHalf(thread); err != nil {
			t.Fatal(err)
		}
	}
	for thread := range 2 {
		if _, err := e.Run(thread, 1); err != nil {
			t.Fatal(err)
		}
	}
	if got := wordAt(t, e, cell); got != 12 {
		t.Errorf("the word is %d, want 12", got)
	}
	var kinds []AccessKind
	var threads []uint16
	for a := range e.Log().All() {
		if a.Addr == cell && a.Kind != AccessKernel {
			kinds, threads = append(kinds, a.Kind), append(threads, a.Thread)
			if a.PC != codeAt {
				t.Errorf("an access at %#x", a.PC)
			}
		}
	}
	if !slices.Equal(kinds, []AccessKind{AccessRead, AccessRead, AccessWrite, AccessWrite}) || !slices.Equal(threads, []uint16{0, 1, 0, 1}) {
		t.Errorf("accesses %v of %v", kinds, threads)
	}
}

// These are one step.
func TestIndivisible(t *testing.T) {
	tests := []struct {
		name string
		code []byte
		lock bool // an indivisible one, and not one without a read or a write
	}{
		{"lock add [rdi], rdx", []byte{0xf0, 0x48, 0x01, 0x17}, true},
		{"cs lock inc dword [rdi]", []byte{0x2e, 0xf0, 0xff, 0x07}, true},
		{"lock cmpxchg16b [rdi]", []byte{0xf0, 0x48, 0x0f, 0xc7, 0x0f}, true},
		{"xchg [rdi], rdx", []byte{0x48, 0x87, 0x17}, true},
		{"xchg [rdi], dl", []byte{0x86, 0x17}, true},
		{"mov [rdi], rdx", []byte{0x48, 0x89, 0x17}, false},
		{"mov rdx, [rdi]", []byte{0x48, 0x8b, 0x17}, false},
		{"push rdx", []byte{0x52}, false},
		{"cmp [rdi], rdx", []byte{0x48, 0x39, 0x17}, false},
		{"stosq", []byte{0x48, 0xab}, false},
		{"nop", []byte{0x90}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			e := halvesEngine(t, tt.code)
			mark := keep(t, e)
			if got := e.Indivisible(codeAt); got != tt.lock {
				t.Errorf("indivisible: %v", got)
			}
			if _, err := e.Run(0, 1); err != nil {
				t.Fatal(err)
			}
			want, regs, log := memoryOf(t, e), registersOf(t, e, 0), fmt.Sprint(slices.Collect(e.Log().All()))
			if err := mark.Rewind(); err != nil {
				t.Fatal(err)
			}
			if s, err := e.RunHalf(0); err != nil || s.Ran != 1 || s.Reason != StopBudget {
				t.Fatalf("%+v %v", s, err)
			}
			if e.Holds(0) {
				t.Fatal("it has ended in its middle")
			}
			if got := fmt.Sprint(slices.Collect(e.Log().All())); memoryOf(t, e) != want || fmt.Sprint(registersOf(t, e, 0)) != fmt.Sprint(regs) || got != log {
				t.Errorf("not as Run does it: log %v, want %v", got, log)
			}
		})
	}
}

// Where the page has changed between the halves the instruction begins again.
func TestHalvesBeginAgain(t *testing.T) {
	changes := map[string]func(e *Engine) error{
		"read-only":  func(e *Engine) error { return e.SetPages(dataAt, PageSize, Read|Mapped) },
		"taken away": func(e *Engine) error { return e.SetPages(dataAt, PageSize, 0) },
		"another page": func(e *Engine) error {
			if err := e.SetPages(dataAt, PageSize, 0); err != nil {
				return err
			}
			return e.SetPages(dataAt, PageSize, Read|Write|Mapped)
		},
	}
	for name, change := range changes {
		t.Run(name, func(t *testing.T) {
			e := halvesEngine(t, []byte{0x48, 0x0f, 0xc1, 0x17}) // xadd [rdi], rdx, whose rdx is another one behind it
			keep(t, e)
			regs := registersOf(t, e, 0)
			if _, err := e.RunHalf(0); err != nil || !e.Holds(0) {
				t.Fatalf("holds %v: %v", e.Holds(0), err)
			}
			if err := change(e); err != nil {
				t.Fatal(err)
			}
			s, err := e.Run(0, 10)
			if err != nil || s.Reason != StopBudget || s.Ran != 1 || e.Holds(0) {
				t.Fatalf("%+v %v", s, err)
			}
			if got := registersOf(t, e, 0); fmt.Sprint(got) != fmt.Sprint(regs) {
				t.Fatalf("registers %v, want those of before the instruction, %v", got, regs)
			}
			if pc := get(t, e, 0, "pc"); pc != codeAt {
				t.Fatalf("pc %#x", pc)
			}
			s, err = e.Run(0, 1)
			if err != nil {
				t.Fatal(err)
			}
			if name == "another page" {
				if s.Reason != StopBudget || get(t, e, 0, "rdx") != 5 {
					t.Errorf("%+v, rdx %d", s, get(t, e, 0, "rdx"))
				}
			} else if s.Reason != StopFault || s.Fault.PC != codeAt || s.Fault.Addr != cell {
				t.Errorf("%+v", s)
			}
		})
	}
}

// An instruction whose write is refused has not begun, halved or not.
func TestHalvesFault(t *testing.T) {
	e := halvesEngine(t, []byte{0x48, 0x01, 0x17})
	keep(t, e)
	if err := e.SetPages(dataAt, PageSize, Read|Mapped); err != nil {
		t.Fatal(err)
	}
	regs := registersOf(t, e, 0)
	s, err := e.RunHalf(0)
	if err != nil || s.Reason != StopFault || s.Ran != 0 || s.Fault.Addr != cell || s.Fault.Access != Write || e.Holds(0) {
		t.Fatalf("%+v %v, holds %v", s, err, e.Holds(0))
	}
	if got := registersOf(t, e, 0); fmt.Sprint(got) != fmt.Sprint(regs) || get(t, e, 0, "pc") != codeAt {
		t.Errorf("registers %v, want %v", got, regs)
	}
}

// While shared bytes are wanted, an instruction that reads and writes one is two events, in
// whichever gear, and every other one is one.
func TestHalvesAreEvents(t *testing.T) {
	for _, hooked := range []bool{false, true} {
		for _, locked := range []bool{false, true} {
			t.Run(fmt.Sprintf("hooked=%v locked=%v", hooked, locked), func(t *testing.T) {
				code := []byte{0x90, 0x48, 0x01, 0x17, 0x90}
				if locked {
					code = []byte{0x90, 0xf0, 0x48, 0x01, 0x17, 0x90}
				}
				e := halvesEngine(t, code)
				needSplits(t, e)
				e.SetHooked(hooked)
				keep(t, e)
				e.SetSharing(true)
				e.SetSplits(true)
				if err := e.AddShared(map[uint64]uint8{cell: 0xff}); err != nil {
					t.Fatal(err)
				}
				s, err := e.Run(0, 10)
				if err != nil || s.Reason != StopEvent || s.Ran != 2 || e.Holds(0) == locked {
					t.Fatalf("%+v %v, holds %v", s, err, e.Holds(0))
				}
				if locked {
					return
				}
				if wordAt(t, e, cell) != 5 {
					t.Error("it has written already")
				}
				if s, err = e.Run(0, 10); err != nil || s.Reason != StopEvent || s.Ran != 1 || e.Holds(0) || wordAt(t, e, cell) != 12 {
					t.Fatalf("%+v %v, the word is %d", s, err, wordAt(t, e, cell))
				}
				e.SetSplits(false)
				if s, err = e.Run(1, 10); err != nil || s.Reason != StopEvent || s.Ran != 2 || e.Holds(1) || !e.Divisible() || wordAt(t, e, cell) != 19 {
					t.Errorf("without splits: %+v %v, the word is %d", s, err, wordAt(t, e, cell))
				}
			})
		}
	}
}

// needSplits skips a test where events are not divided: with Unicorn as it is.
func needSplits(t *testing.T, e *Engine) {
	t.Helper()
	if !e.CanSplit() {
		t.Skip("Unicorn is not patched")
	}
}

// What is read first and written to a byte that nobody shares is one event.
func TestHalvesOfOwnBytes(t *testing.T) {
	e := halvesEngine(t, []byte{0xff, 0x37, 0x90}) // push [rdi]
	keep(t, e)
	e.SetSharing(true)
	e.SetSplits(true)
	if err := e.AddShared(map[uint64]uint8{cell: 0xff}); err != nil {
		t.Fatal(err)
	}
	if s, err := e.Run(0, 10); err != nil || s.Reason != StopEvent || s.Ran != 1 || e.Holds(0) {
		t.Fatalf("%+v %v, holds %v", s, err, e.Holds(0))
	}
}

// The two steps of an instruction are one on the thread's clock, also where nobody else's is
// ahead and what the thread has done is not gone through yet.
func TestHalvesOnTheClock(t *testing.T) {
	for _, asks := range []func(e *Engine) (uint64, error){func(e *Engine) (uint64, error) { return e.Clock(0) }, (*Engine).LatestClock} {
		e := halvesEngine(t, dividedOnes()[1].code)
		keep(t, e)
		e.StartClocks()
		run(t, e, 0, 3)
		set(t, e, 0, "pc", codeAt)
		before, err := asks(e) // from here on it is known to be ahead
		must(t, err)
		s, err := e.RunHalf(0)
		if must(t, err); s.Ran != 1 || !e.Holds(0) {
			t.Fatalf("%+v, and it holds stores: %v", s, e.Holds(0))
		}
		run(t, e, 0, 1) // its stores
		run(t, e, 0, 7)
		if now, err := asks(e); err != nil || now != before+8 {
			t.Errorf("the clock has gone on by %d (%v), want 8: an instruction and seven nops", now-before, err)
		}
	}
}
