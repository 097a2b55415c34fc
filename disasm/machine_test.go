package disasm_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"testing"

	"emurace/disasm"
	"emurace/emu"
	"emurace/internal/testroot"
	"emurace/loader"
)

// perInstruction is how often the instruction at one address is checked.
const perInstruction = 4

// TestAgainstMachine runs functions of the real C library in the emulator, one
// instruction at a time, and compares what each did with what Decode says of
// it: no register changes that is not in Dst, no memory is read or written but
// that of Mem, and every Move has moved its value.
func TestAgainstMachine(t *testing.T) {
	for _, arch := range []loader.Arch{loader.ARM64, loader.AMD64} {
		if testing.Short() && arch != loader.ARM64 {
			continue
		}
		t.Run(arch.String(), func(t *testing.T) {
			sys, err := emu.OpenSystem(testroot.Dir(t, "debian:bookworm", arch.String()), arch)
			if err != nil {
				t.Fatal(err)
			}
			m, err := emu.New(emu.Options{System: sys, Env: []string{"HOME=/", "TZ=CET-1CEST"}, Seed: 1})
			if err != nil {
				t.Fatal(err)
			}
			defer m.Close()
			mark, err := m.Mark() // access logging begins here
			if err != nil {
				t.Fatal(err)
			}
			defer mark.Drop()
			w := watcher{t: t, m: m, arch: arch, seen: map[uint64]int{}, kinds: map[string]bool{}}
			w.workload()
			t.Logf("%d instructions at %d addresses, %d mnemonics", w.checked, len(w.seen), len(w.kinds))
			if len(w.seen) < 10000 || len(w.kinds) < 80 {
				t.Error("that is too few")
			}
		})
	}
}

type watcher struct {
	t       *testing.T
	m       *emu.Machine
	arch    loader.Arch
	seen    map[uint64]int // checks by address
	kinds   map[string]bool
	checked int
	failed  int
}

// workload calls functions that use much of the instruction set: string
// functions with SIMD, floating point, atomics, the allocator, printf.
func (w *watcher) workload() {
	text := func(s string) uint64 {
		addr, err := w.m.Alloc(uint64(len(s) + 1))
		if err == nil {
			err = w.m.Write(0, addr, append([]byte(s), 0))
		}
		if err != nil {
			w.t.Fatal(err)
		}
		return addr
	}
	long := text(strings.Repeat("The quick brown fox, ", 100) + "jumps!")
	buf, end := text(strings.Repeat("-", 4096)), text("12345678")
	tm := text(strings.Repeat("\x00", 56))
	regex := text(strings.Repeat("\x00", 64))
	for n := range uint64(4) {
		w.call("memcpy", buf+n, long, 100<<n)
		w.call("memmove", buf+n, buf+2*n, 64<<n)
		w.call("memset", buf+n, 'x', 300<<n)
		w.call("memset", buf, 0, 300<<n)
		w.call("strlen", long+n)
		w.call("memchr", long+n, '!', 4000)
		w.call("strchr", long, '!')
		w.call("strrchr", long, 'q')
		w.call("memcmp", long, long+21*n, 500)
	}
	w.call("strcpy", buf, long)
	w.call("strcmp", buf, long)
	w.call("strcasecmp", buf, long)
	w.call("strstr", long, text("dog"))
	w.call("strspn", long, text("The quick brown fox, "))
	w.call("setenv", text("NAME"), text("value"), 1)
	w.call("setenv", text("NAME"), text("another value"), 1)
	w.call("getenv", text("LANGUAGE"))
	w.call("unsetenv", text("NAME"))
	w.call("snprintf", buf, 4000, text("%-10d %5lx %s|"), 12345, 0xabcdef, text("text"))
	w.call("strtol", text(" -7654321x"), end, 0)
	w.call("strtoull", text("18446744073709551615"), end, 10)
	w.call("strtod", text("3.14159265358979323846e-100"), end)
	w.call("strtod", text("179769313486231570000000000000000000001e250"), end)
	w.call("atof", text("0x1.fffffffffffffp-3"))
	w.call("gmtime_r", text("\x12\x34\x56\x67\x00\x00\x00\x00"), tm)
	w.call("mktime", tm)
	w.call("strftime", buf, 4000, text("%A %d %B %Y %H:%M:%S %Z %j"), tm)
	w.call("regcomp", regex, text("^(a|b*)c[d-f]{2,3}$"), 1)
	w.call("regexec", regex, text("bbbcdef"), 0, 0, 0)
	w.call("regfree", regex)
	for n := range uint64(6) {
		p := w.call("malloc", 24<<(2*n))
		q := w.call("calloc", 3, 100<<n)
		p = w.call("realloc", p, 100<<(2*n))
		w.call("free", q)
		w.call("free", p)
	}
	w.call("srandom", 42)
	w.call("random")
	w.call("getpid")
	w.call("clock")
	w.call("pthread_mutex_lock", text(strings.Repeat("\x00", 48)))
	w.call("sem_post", text(strings.Repeat("\x00", 32)))
	w.call("pthread_rwlock_rdlock", text(strings.Repeat("\x00", 56)))
	w.call("puts", long)
	w.call("crypt_gensalt") // not there: call ignores what is missing
}

// call runs a function on the main thread, watching each instruction.
func (w *watcher) call(name string, args ...uint64) uint64 {
	fn, err := w.m.Lookup(name)
	if err != nil {
		return 0
	}
	if err := w.m.Begin(0, fn, name, args...); err != nil {
		w.t.Fatal(err)
	}
	for {
		stop := w.instruction(name)
		if stop.Kind == emu.Returned {
			break
		}
		if stop.Kind != emu.Budget || w.failed > 40 {
			w.t.Fatalf("%s: %v", name, stop)
		}
	}
	v, err := w.m.Result(0)
	if err != nil {
		w.t.Fatal(err)
	}
	return v
}

type state map[string][]byte

func (w *watcher) state() state {
	regs, err := w.m.Registers(0)
	if err != nil {
		w.t.Fatal(err)
	}
	s := state{}
	for _, r := range regs {
		s[r.Name] = bytes.Clone(r.Value)
	}
	return s
}

func (s state) get(name string) (uint64, bool) {
	v, ok := s[name]
	if !ok || len(v) > 8 {
		return 0, false
	}
	return binary.LittleEndian.Uint64(append(bytes.Clone(v), 0, 0, 0, 0, 0, 0, 0)), true
}

// instruction runs and checks one.
func (w *watcher) instruction(caller string) emu.Stop {
	run := func() emu.Stop {
		stop, err := w.m.Run(0, 1)
		if err != nil {
			w.t.Fatal(err)
		}
		return stop
	}
	pc, err := w.m.PC(0)
	if err != nil {
		w.t.Fatal(err)
	}
	if w.seen[pc]++; w.seen[pc] > perInstruction {
		return run()
	}
	code, ok := w.m.Read(pc, 16)
	if !ok {
		code, ok = w.m.Read(pc, 4)
	}
	if !ok {
		w.t.Fatalf("%s: nothing at %#x", caller, pc)
	}
	in, err := disasm.Decode(w.arch, code, pc, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	w.kinds[in.Op] = true
	w.checked++
	before := w.state()
	loaded := w.loads(in, before)
	logged := w.m.LogLen()
	stop := run()
	log := slices.Clone(w.m.Log().From(logged).List())
	after := w.state()
	for _, problem := range w.compare(in, before, after, loaded, log) {
		w.failed++
		w.t.Errorf("%s: %#x %s (% x): %s\n\tMem %+v\n\tDst %v Src %v Partial %v Moves %+v",
			caller, pc, in.Text, code[:in.Len], problem, in.Mem, in.Dst, in.Src, in.Partial, in.Moves)
	}
	return stop
}

// loads reads what the Moves will load, before a store can overwrite it.
func (w *watcher) loads(in disasm.Inst, before state) [][]byte {
	var values [][]byte
	for _, m := range in.Moves {
		var v []byte
		if m.Kind == disasm.Load {
			if addr, ok := in.Mem[m.Mem].Address(before.get); ok {
				v, _ = w.m.Read(addr+uint64(m.Offset), uint64(m.Size))
			}
		}
		values = append(values, bytes.Clone(v))
	}
	return values
}

func (w *watcher) compare(in disasm.Inst, before, after state, loaded [][]byte, log []emu.LogEntry) []string {
	var problems []string
	complain := func(format string, args ...any) { problems = append(problems, fmt.Sprintf(format, args...)) }
	if in.Undecoded {
		complain("undecoded")
		return problems
	}
	for name, v := range after {
		if name == "pc" || name == "rip" || bytes.Equal(v, before[name]) {
			continue
		}
		if whole := disasm.Canonical(w.arch, name); whole != "" && !slices.Contains(in.Dst, whole) {
			complain("%s went from % x to % x", name, before[name], v)
		}
	}
	pcName := map[loader.Arch]string{loader.ARM64: "pc", loader.AMD64: "rip"}[w.arch]
	next, _ := after.get(pcName)
	switch {
	case next == in.Addr+uint64(in.Len), in.Repeat && next == in.Addr:
	case !in.Branch:
		complain("it goes on at %#x", next)
	case in.Target != 0 && next != in.Target:
		complain("it branches to %#x, not %#x", next, in.Target)
	}
	if !slices.Contains(kernelOps, in.Op) {
		w.compareMemory(in, before, log, complain)
		w.compareMoves(in, before, after, loaded, complain)
	}
	return problems
}

var kernelOps = []string{"svc", "syscall"}

// compareMemory compares the bytes of the log's accesses with those of Mem.
func (w *watcher) compareMemory(in disasm.Inst, before state, log []emu.LogEntry, complain func(string, ...any)) {
	touched := map[bool]map[uint64]bool{false: {}, true: {}}
	for _, e := range log {
		for i := range uint64(e.Size) {
			touched[e.Kind == emu.LogWrite][e.Addr+i] = true
		}
	}
	told := map[bool]map[uint64]bool{false: {}, true: {}}
	unsized := false
	for _, m := range in.Mem {
		addr, ok := m.Address(before.get)
		if !ok {
			complain("no address for %+v", m)
			return
		}
		unsized = unsized || m.Size == 0
		for i := range uint64(m.Size) {
			if m.Read {
				told[false][addr+i] = true
			}
			if m.Write {
				told[true][addr+i] = true
			}
		}
	}
	if unsized {
		return
	}
	for _, write := range []bool{false, true} {
		for addr := range touched[write] {
			if !told[write][addr] {
				complain("touched %#x (write %v)", addr, write)
				return
			}
		}
		// A store that depends on a comparison need not take place.
		if write && strings.Contains(in.Op, "cmpxchg") || write && strings.HasPrefix(in.Op, "cas") ||
			write && strings.HasPrefix(in.Op, "st") && strings.Contains(in.Op, "x") {
			continue
		}
		if counter, _ := before.get("rcx"); in.Repeat && counter == 0 {
			continue
		}
		for addr := range told[write] {
			if !touched[write][addr] {
				complain("did not touch %#x (write %v)", addr, write)
				return
			}
		}
	}
}

// compareMoves checks that each value has arrived.
func (w *watcher) compareMoves(in disasm.Inst, before, after state, loaded [][]byte, complain func(string, ...any)) {
	if counter, _ := before.get("rcx"); in.Repeat && counter == 0 {
		return
	}
	for i, m := range in.Moves {
		var from, to []byte
		size := min(m.Size, 16)
		switch m.Kind {
		case disasm.Copy:
			from, to = before[m.Src], after[m.Dst]
		case disasm.Const:
			from, to = binary.LittleEndian.AppendUint64(nil, m.Value), after[m.Dst]
		case disasm.Load:
			from, to = loaded[i], after[m.Dst]
		case disasm.Store:
			if strings.HasPrefix(in.Op, "st") && strings.Contains(in.Op, "x") {
				continue // stxr may fail
			}
			from = binary.LittleEndian.AppendUint64(nil, m.Value)
			if m.Src != "" {
				from = before[m.Src]
			}
			if addr, ok := in.Mem[m.Mem].Address(before.get); ok {
				to, _ = w.m.Read(addr+uint64(m.Offset), uint64(size))
			}
		}
		if len(from) == 0 || len(to) == 0 {
			continue // a register that the emulator does not show
		}
		size = min(size, len(from), len(to))
		if !bytes.Equal(from[:size], to[:size]) {
			complain("%v: % x became % x", m, from[:size], to[:size])
			continue
		}
		if m.Kind == disasm.Store || slices.Contains(in.Partial, m.Dst) {
			continue
		}
		fill := byte(0)
		if m.Signed && from[size-1]&0x80 != 0 {
			fill = 0xff
		}
		for k, b := range to[size:] {
			// What movsx fills has 32 bits if the operand has, with zeros
			// above; the low byte of the rest is enough.
			if b != fill && (k == 0 || !m.Signed) {
				complain("%v: % x became % x", m, from, to)
				break
			}
		}
	}
}
