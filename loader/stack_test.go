package loader

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

const stackTop = 0x7ffffffff000

// startup is what a C runtime finds when it starts at sp.
type startup struct {
	Argv, Envp []string
	Aux        map[uint64]uint64
	Order      []uint64 // types in Aux
	mem        []byte
	sp         uint64
}

// parseStartup reads a stack as _start and ld.so do: from argc upwards,
// following pointers. Everything it follows has to be on the stack.
func parseStartup(t interface{ Fatalf(string, ...any) }, mem []byte, sp uint64) startup {
	s := startup{mem: mem, sp: sp, Aux: make(map[uint64]uint64)}
	at := sp
	word := func() uint64 {
		if at < sp || at+8 > sp+uint64(len(mem)) {
			t.Fatalf("word at %#x is not on the stack %#x+%#x", at, sp, len(mem))
		}
		v := le.Uint64(mem[at-sp:])
		at += 8
		return v
	}
	argc := word()
	for range argc {
		s.Argv = append(s.Argv, s.text(t, word()))
	}
	if v := word(); v != 0 {
		t.Fatalf("argv[argc] is %#x, not NULL", v)
	}
	for p := word(); p != 0; p = word() {
		s.Envp = append(s.Envp, s.text(t, p))
	}
	for {
		kind, value := word(), word()
		if kind == AT_NULL {
			return s
		}
		s.Order = append(s.Order, kind)
		s.Aux[kind] = value
	}
}

func (s *startup) text(t interface{ Fatalf(string, ...any) }, at uint64) string {
	if at < s.sp || at >= s.sp+uint64(len(s.mem)) {
		t.Fatalf("pointer %#x leads off the stack", at)
	}
	b := s.mem[at-s.sp:]
	n := bytes.IndexByte(b, 0)
	if n < 0 {
		t.Fatalf("text at %#x has no end", at)
	}
	return string(b[:n])
}

func TestBuildStackLayout(t *testing.T) {
	random := [16]byte{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}
	mem, sp, err := BuildStack(StackSpec{
		Arch: ARM64, Argv: []string{"prog", "-x"}, Envp: []string{"A=1", "B="},
		Aux: []AuxEntry{{AT_PAGESZ, 4096}, {AT_RANDOM, 0}, {AT_ENTRY, 0x1234}}, ExecFn: "/bin/prog", Random: random, Top: stackTop,
	})
	if err != nil {
		t.Fatal(err)
	}
	// The strings' end is fixed: the last of them is 8 zero bytes below Top.
	tail := "prog\x00-x\x00A=1\x00B=\x00/bin/prog\x00" + strings.Repeat("\x00", 8)
	if !strings.HasSuffix(string(mem), tail) {
		t.Errorf("the stack ends with %q, want %q", mem[len(mem)-len(tail):], tail)
	}
	if sp%16 != 0 || sp+uint64(len(mem)) != stackTop {
		t.Errorf("sp %#x, %#x bytes", sp, len(mem))
	}
	s := parseStartup(t, mem, sp)
	if diff := cmp.Diff([]uint64{AT_PAGESZ, AT_RANDOM, AT_ENTRY, AT_EXECFN, AT_PLATFORM}, s.Order); diff != "" {
		t.Errorf("auxiliary vector (-want +got):\n%s", diff)
	}
	if at := s.Aux[AT_RANDOM]; !bytes.Equal(mem[at-sp:][:16], random[:]) {
		t.Errorf("AT_RANDOM leads to %x", mem[at-sp:][:16])
	}
	if got := s.text(t, s.Aux[AT_PLATFORM]); got != "aarch64" {
		t.Errorf("AT_PLATFORM leads to %q", got)
	}
	if end := s.Aux[AT_PLATFORM] + uint64(len("aarch64")+1); end%16 != 0 {
		t.Errorf("the platform's name ends at %#x, not where the strings' alignment starts", end)
	}
	if got := s.text(t, s.Aux[AT_EXECFN]); got != "/bin/prog" {
		t.Errorf("AT_EXECFN leads to %q", got)
	}
}

func TestBuildStackRoundTrip(t *testing.T) {
	text := rapid.StringMatching(`[ -~\x80-\xff]{0,40}`)
	rapid.Check(t, func(t *rapid.T) {
		spec := StackSpec{
			Arch:     rapid.SampledFrom([]Arch{ARM64, AMD64}).Draw(t, "arch"),
			Argv:     rapid.SliceOfN(text, 1, 20).Draw(t, "argv"),
			Envp:     rapid.SliceOfN(text, 0, 90).Draw(t, "envp"),
			ExecFn:   text.Draw(t, "execfn"),
			Platform: text.Draw(t, "platform"),
			Top:      rapid.Uint64Range(maxArguments/16, addressLimit/16).Draw(t, "top") * 16,
		}
		copy(spec.Random[:], rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "random"))
		kinds := rapid.SliceOfNDistinct(rapid.Uint64Range(1, 51), 0, 20, rapid.ID).Draw(t, "aux")
		want := make(map[uint64]uint64)
		for i, kind := range kinds {
			spec.Aux = append(spec.Aux, AuxEntry{kind, uint64(i) * 0x1111})
			want[kind] = uint64(i) * 0x1111
		}
		given := append([]AuxEntry(nil), spec.Aux...)

		mem, sp, err := BuildStack(spec)
		if err != nil {
			t.Fatal(err)
		}
		if sp%16 != 0 || sp+uint64(len(mem)) != spec.Top {
			t.Fatalf("sp %#x and %#x bytes for top %#x", sp, len(mem), spec.Top)
		}
		s := parseStartup(t, mem, sp)
		if diff := cmp.Diff(spec.Argv, s.Argv); diff != "" {
			t.Fatalf("argv: %s", diff)
		}
		if len(spec.Envp)+len(s.Envp) > 0 && !cmp.Equal(spec.Envp, s.Envp) {
			t.Fatalf("envp %q, want %q", s.Envp, spec.Envp)
		}
		if diff := cmp.Diff(given, spec.Aux); diff != "" {
			t.Fatalf("the caller's vector was changed: %s", diff)
		}
		execfn, platform := spec.ExecFn, spec.Platform
		if execfn == "" {
			execfn = spec.Argv[0]
		}
		if platform == "" {
			platform = spec.Arch.platform()
		}
		if got := s.text(t, s.Aux[AT_EXECFN]); got != execfn {
			t.Fatalf("AT_EXECFN leads to %q, want %q", got, execfn)
		}
		if got := s.text(t, s.Aux[AT_PLATFORM]); got != platform {
			t.Fatalf("AT_PLATFORM leads to %q, want %q", got, platform)
		}
		at := s.Aux[AT_RANDOM]
		if at < sp || at+16 > spec.Top || !bytes.Equal(mem[at-sp:][:16], spec.Random[:]) {
			t.Fatalf("AT_RANDOM is %#x", at)
		}
		for kind, value := range want {
			known := kind == AT_RANDOM || kind == AT_EXECFN || kind == AT_PLATFORM
			if got, ok := s.Aux[kind]; !ok || !known && got != value {
				t.Fatalf("aux %d is %#x, want %#x", kind, got, value)
			}
		}
	})
}

func TestBuildStackErrors(t *testing.T) {
	good := func() StackSpec { return StackSpec{Arch: AMD64, Argv: []string{"x"}, Top: stackTop} }
	if _, _, err := BuildStack(good()); err != nil {
		t.Fatalf("the smallest stack: %v", err)
	}
	long := strings.Repeat("x", maxArgument)
	many := func(s string, n int) []string {
		list := make([]string, n)
		for i := range list {
			list[i] = s
		}
		return list
	}
	for _, tc := range []struct {
		what  string
		spoil func(*StackSpec)
		want  string
	}{
		{"no arch", func(s *StackSpec) { s.Arch = 0 }, "arch:"},
		{"no argv", func(s *StackSpec) { s.Argv = nil }, "argv: empty"},
		{"unaligned top", func(s *StackSpec) { s.Top -= 8 }, "top: 0x7fffffffeff8"},
		{"low top", func(s *StackSpec) { s.Top = 4096 }, "top: 0x1000"},
		{"high top", func(s *StackSpec) { s.Top = 1 << 63 }, "top: 0x8000000000000000"},
		{"aux end", func(s *StackSpec) { s.Aux = []AuxEntry{{AT_NULL, 0}} }, "AT_NULL inside"},
		{"NUL in argv", func(s *StackSpec) { s.Argv = []string{"a", "b\x00c"} }, "argv[1]: contains NUL"},
		{"NUL in envp", func(s *StackSpec) { s.Envp = []string{"\x00"} }, "envp[0]: contains NUL"},
		{"NUL in execfn", func(s *StackSpec) { s.ExecFn = "/\x00" }, "execfn[0]: contains NUL"},
		{"NUL in platform", func(s *StackSpec) { s.Platform = "\x00" }, "platform[0]: contains NUL"},
		{"long string", func(s *StackSpec) { s.Envp = []string{"", long} }, "envp[1]: 131072 bytes"},
		{"much text", func(s *StackSpec) { s.Envp = many(long[1:], 16) }, "more than 2097152 bytes"},
		{"many strings", func(s *StackSpec) { s.Argv = many("", 1<<19) }, "pointers, more than"},
		{"many short strings", func(s *StackSpec) { s.Argv = many("abc", 1<<18-1000) }, "more than 2097152 bytes"},
	} {
		t.Run(tc.what, func(t *testing.T) {
			spec := good()
			tc.spoil(&spec)
			_, _, err := BuildStack(spec)
			checkError(t, err, "initial stack", tc.want)
		})
	}
}

// What just fits is accepted: the limit is on the whole, to the byte.
func TestBuildStackFull(t *testing.T) {
	spec := StackSpec{Arch: ARM64, Argv: []string{"x"}, Top: stackTop}
	for range 15 {
		spec.Envp = append(spec.Envp, strings.Repeat("e", maxArgument-1))
	}
	spec.Envp = append(spec.Envp, "")
	size := func(n int) (int, error) {
		spec.Envp[15] = strings.Repeat("l", n)
		mem, _, err := BuildStack(spec)
		return len(mem), err
	}
	lo, hi := 0, maxArgument-1
	for lo+1 < hi {
		mid := (lo + hi) / 2
		if _, err := size(mid); err == nil {
			lo = mid
		} else {
			hi = mid
		}
	}
	n, err := size(lo)
	if err != nil || n > maxArguments || n < maxArguments-16 {
		t.Errorf("the largest stack has %d bytes of %d: %v", n, maxArguments, err)
	}
}
