package corefile

import (
	"bytes"
	"debug/elf"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
)

// mostMemory is how much memory reading a core may take, whatever it says, in bytes.
const mostMemory = 150 << 20

// bounded runs f, and fails where it took more memory than that in all.
func bounded(t *testing.T, most uint64, f func()) {
	t.Helper()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	if n := after.TotalAlloc - before.TotalAlloc; n > most {
		t.Errorf("%d MiB of memory", n>>20)
	}
}

// raw is a note's head with any sizes.
func raw(name, desc, kind uint32) []byte {
	return le.AppendUint32(le.AppendUint32(le.AppendUint32(nil, name), desc), kind)
}

// listed is NT_FILE of so many mappings, as it says, with any rest.
func listed(count, unit uint64, rest []byte) []byte {
	return noteOf("CORE", ntFile, append(le.AppendUint64(le.AppendUint64(nil, count), unit), rest...))
}

// TestHostile: what is absurd is an error or a problem that names it, and takes no memory.
func TestHostile(t *testing.T) {
	edit := func(at int, v ...byte) func([]byte) []byte {
		return func(b []byte) []byte { copy(b[at:], v); return b }
	}
	with := func(notes ...[]byte) func([]byte) []byte {
		return func([]byte) []byte {
			return made{notes: slices.Concat(append([][]byte{statusOf(1, 11, 0)}, notes...)...)}.bytes()
		}
	}
	loads := func(list ...loadOf) func([]byte) []byte {
		return func([]byte) []byte { return made{notes: statusOf(1, 11, 0), loads: list}.bytes() }
	}
	ff := bytes.Repeat([]byte{0xff}, 8)
	for name, c := range map[string]struct {
		change func([]byte) []byte
		want   string // the error, or a problem
		err    error
	}{
		"empty":           {func([]byte) []byte { return nil }, "no ELF header", ErrNotCore},
		"text":            {func([]byte) []byte { return bytes.Repeat([]byte("text "), 50) }, "does not begin", ErrNotCore},
		"header alone":    {func(b []byte) []byte { return b[:ehdrSize] }, "the file ends before its notes do", nil},
		"32 bits":         {edit(4, 1), "64-bit", nil},
		"big-endian":      {edit(5, 2), "little-endian", nil},
		"a program":       {edit(16, 2), "ET_EXEC", ErrNotCore},
		"another machine": {edit(18, 243), "EM_RISCV", nil},
		"phentsize":       {edit(54, 32), "e_phentsize: 32", nil},
		"phoff":           {edit(32, ff...), "e_phoff", nil},
		"phnum":           {edit(56, 0xfe, 0xff), "of 65534 program headers the file has", nil},
		"no phnum":        {edit(56, 0, 0), "there is no NT_PRSTATUS", nil},
		"shoff":           {edit(56, 0xff, 0xff), "e_shoff", nil},
		"section's count": {func([]byte) []byte {
			b := made{notes: statusOf(1, 11, 0), many: true}.bytes()
			copy(b[le.Uint64(b[40:])+44:], ff[:4])
			return b
		}, "e_phnum: 4294967295", nil},
		"notes of 2^64":                 {edit(ehdrSize+32, ff...), "the notes are cut short", nil},
		"notes at 2^64":                 {edit(ehdrSize+8, ff...), "no thread in it", nil},
		"a note of 4 GiB":               {with(append(raw(5, 0xffffffff, ntFile), "CORE\x00\x00\x00\x00"...)), "a note of 4294967295 bytes is cut short", nil},
		"an owner of 4 GiB":             {with(raw(0xffffffff, 4, ntFile)), "a note of 4 bytes is cut short", nil},
		"a short status":                {with(noteOf("CORE", ntPrstatus, make([]byte, 100))), "NT_PRSTATUS: 100 bytes", nil},
		"files of 2^64":                 {with(listed(1<<64-1, 4096, nil)), "NT_FILE: 18446744073709551615 mappings", nil},
		"files that multiply to little": {with(listed(1<<63/12+1, 4096, make([]byte, 64))), "NT_FILE: ", nil},
		"files without paths":           {with(listed(2, 1<<63, make([]byte, 48))), "NT_FILE: the paths are cut short", nil},
		"files of no bytes":             {with(noteOf("CORE", ntFile, nil)), "NT_FILE: 0 bytes", nil},
		"overlapping":                   {loads(loadOf{addr: 0x1000, memsz: 1 << 40}, loadOf{addr: 0x2000, data: fill(10, 1)}), "a segment at 0x2000 overlaps the one at 0x1000", nil},
		"beyond 2^64":                   {loads(loadOf{addr: 1<<64 - 0x1000, memsz: 0x2000}), "beyond the address space", nil},
		"at 2^64":                       {loads(loadOf{addr: 1<<64 - 0x1000, memsz: 0x1000}), "beyond the address space", nil},
		"data of 2^63":                  {loads(loadOf{addr: 0x1000, filesz: 1 << 63, data: fill(100, 1)}), "", nil},
		"data at 2^64":                  {loads(loadOf{addr: 0x1000, data: fill(100, 1), off: 1<<64 - 10}), "", nil},
		"a program that is cut":         {func(b []byte) []byte { return edit(16, 3)(b[:100]) }, "ET_DYN", ErrNotCore},
	} {
		t.Run(name, func(t *testing.T) {
			b := c.change(small().bytes())
			bounded(t, 4<<20, func() {
				f, err := Parse(bytes.NewReader(b), uint64(len(b)))
				said := fmt.Sprint(err)
				if err == nil {
					said = strings.Join(f.Problems, "\n")
					look(f)
				}
				if !strings.Contains(said, c.want) || c.err != nil && !errors.Is(err, c.err) || c.want == "" && f.Missing == 0 {
					t.Errorf("%q, want %q", said, c.want)
				}
			})
		})
	}
}

// look reads memory at the borders of all mappings, and all that is short.
func look(f *File) {
	for i, r := range f.Ranges {
		if i == 100 {
			break
		}
		for _, at := range []uint64{r.Lo, r.Stored, r.Cut, r.Hi} {
			for d := range uint64(3) {
				f.Read64(at - d*8)
				f.Read(at-d, 16)
				f.At(at - d)
			}
		}
	}
	for _, at := range []uint64{0, ^uint64(0), ^uint64(0) - 7, 1 << 63} {
		f.Read64(at)
		f.Read(at, 8)
		f.Read(at, ^uint64(0))
	}
}

// TestCrowd: no more threads, notes or problems are kept than a process can have.
func TestCrowd(t *testing.T) {
	if testing.Short() {
		t.Skip("so many take a second")
	}
	const count = maxThreads + 1000
	one := statusOf(3, 0, 0)
	b := made{notes: bytes.Repeat(one, count)}.bytes()
	bounded(t, mostMemory, func() {
		f := parse(t, b)
		if len(f.Threads) != maxThreads || len(f.Problems) != 1 || !strings.Contains(f.Problems[0], "more than 65536 threads") {
			t.Errorf("%d threads, problems %q", len(f.Threads), f.Problems)
		}
	})
	f := parse(t, made{notes: bytes.Repeat(append(noteOf("CORE", ntPrstatus, nil), one...), 100)}.bytes())
	if len(f.Problems) != maxProblems {
		t.Errorf("%d problems", len(f.Problems))
	}
	// Only the first of what a process has once counts.
	twice := small()
	twice.notes = append(twice.notes, listed(0, 1, nil)...)
	if f := parse(t, twice.bytes()); len(f.Mapped) != 1 {
		t.Errorf("mapped %v", f.Mapped)
	}
}

// TestSparse: a file of 1 TiB that is nothing but holes behind its headers, which lead everywhere.
func TestSparse(t *testing.T) {
	const size = 1 << 40
	m := made{notes: statusOf(1, 11, 0), loads: []loadOf{{addr: 0x10000, filesz: size - 1<<20, memsz: size, off: 1 << 20}}}
	for i := range uint64(2000) { // the rest of the notes, again and again
		m.loads = append(m.loads, loadOf{addr: size*2 + i*size, filesz: size, off: pageSize})
	}
	b := m.bytes()
	for i := range 100 {
		le.PutUint32(b[ehdrSize+phdrSize*(2+i):], uint32(elf.PT_NOTE))
	}
	le.PutUint16(b[56:], 0xfff0) // and 65,520 program headers, most of them zeros
	name := filepath.Join(t.TempDir(), "core")
	if err := os.WriteFile(name, b, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(name, size); err != nil {
		t.Skip(err) // file systems have limits
	}
	bounded(t, mostMemory, func() {
		f, err := Open(name, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = f.Close() }() // it is only read
		if len(f.Threads) != 1 || f.Size != size || len(f.Problems) == 0 {
			t.Errorf("%d threads, %d bytes, %q", len(f.Threads), f.Size, f.Problems)
		}
		look(f)
		if got, ok := f.Read(0x10000+1<<30, maxRead); !ok || got[maxRead-1] != 0 {
			t.Error("its zeros are not read")
		}
	})
}

// TestLimits: a process with as many mapped files and mappings as Linux lets one have is read.
func TestLimits(t *testing.T) {
	if testing.Short() {
		t.Skip("the largest ones take a second")
	}
	var places, paths []byte
	const count = 400_000
	for i := range uint64(count) {
		for _, v := range []uint64{i << 20, i<<20 + 4096, 0} {
			places = le.AppendUint64(places, v)
		}
		paths = append(paths, "/a\x00"...)
	}
	b := made{notes: append(statusOf(1, 11, 0), listed(count, 4096, append(places, paths...))...)}.bytes()
	bounded(t, mostMemory, func() {
		if f := parse(t, b); len(f.Mapped) != count || len(f.Problems) > 0 {
			t.Errorf("%d mapped, problems %q", len(f.Mapped), f.Problems)
		}
	})
	long := listed(1, 1, append(places[:24], bytes.Repeat([]byte("x"), maxNote)...))
	f := parse(t, made{notes: append(statusOf(1, 11, 0), long...)}.bytes())
	if len(f.Problems) != 1 || !strings.Contains(f.Problems[0], "too many") {
		t.Errorf("problems %q", f.Problems)
	}
}
