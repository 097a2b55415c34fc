package disasm

import (
	"bufio"
	"encoding/hex"
	"os"
	"strconv"
	"strings"
	"testing"

	"emurace/loader"
)

// golden is a line of a table in testdata/golden/disasm.
type golden struct {
	addr uint64
	code []byte
	text string
	what string // "" for nothing
}

func readGolden(t testing.TB, arch loader.Arch) []golden {
	t.Helper()
	f, err := os.Open("../testdata/golden/disasm/" + arch.String() + ".txt")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	var list []golden
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		if strings.HasPrefix(lines.Text(), "#") {
			continue
		}
		fields := strings.Split(lines.Text(), "\t")
		if len(fields) != 4 {
			t.Fatalf("%s: %q", f.Name(), lines.Text())
		}
		addr, err := strconv.ParseUint(fields[0], 16, 64)
		if err != nil {
			t.Fatalf("%s: %v", f.Name(), err)
		}
		code, err := hex.DecodeString(fields[1])
		if err != nil {
			t.Fatalf("%s: %v", f.Name(), err)
		}
		list = append(list, golden{addr, code, fields[2], strings.Trim(fields[3], "-")})
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return list
}

// TestObjdump compares the text with that of GNU objdump, whatever follows the
// instruction in memory.
func TestObjdump(t *testing.T) {
	for _, arch := range []loader.Arch{loader.ARM64, loader.AMD64} {
		t.Run(arch.String(), func(t *testing.T) {
			list := readGolden(t, arch)
			if len(list) < 200 {
				t.Errorf("only %d instructions", len(list))
			}
			for _, g := range list {
				for _, after := range []string{"", strings.Repeat("\xcc", 15), strings.Repeat("\x00", 15)} {
					in, err := Decode(arch, append(g.code[:len(g.code):len(g.code)], after...), g.addr, nil)
					if err != nil {
						t.Errorf("%x %s: %v", g.code, g.text, err)
						continue
					}
					text, _, _ := strings.Cut(in.Text, "        # ")
					if unknownARM64(g.text) && arch == loader.ARM64 {
						if !in.Undecoded || in.Len != 4 || !strings.HasPrefix(in.Text, ".inst 0x") {
							t.Errorf("%x %s: %+v", g.code, g.text, in)
						}
						continue
					}
					if text != g.text || in.Len != len(g.code) || in.Undecoded {
						t.Errorf("%x: %q of %d bytes, want %q of %d", g.code, text, in.Len, g.text, len(g.code))
					}
					if !strings.Contains(in.Text, in.Op) || strings.Contains(in.Op, " ") {
						t.Errorf("%s: mnemonic %q", in.Text, in.Op)
					}
				}
			}
		})
	}
}

// unknownARM64 names the examples of extensions that are not decoded.
func unknownARM64(text string) bool {
	return strings.HasPrefix(text, "cpyf") || strings.HasPrefix(text, "ptrue") || strings.HasPrefix(text, "ld1b")
}

func TestSymbols(t *testing.T) {
	symbol := func(addr uint64) (string, uint64) {
		if addr >= 0x1000 && addr < 0x2000 {
			return "getenv", 0x1000
		}
		return "", 0
	}
	for _, tc := range []struct {
		arch       loader.Arch
		code, text string
	}{
		{loader.ARM64, "\xa1\x02\x00\x54", "b.ne 0x1064 <getenv+100>"},
		{loader.ARM64, "\xf0\x03\x00\xb4", "cbz x16, 0x108c <getenv+140>"},
		{loader.ARM64, "\xf0\xff\xff\x97", "bl 0xfd0"},
		{loader.ARM64, "\x80\xff\xff\x10", "adr x0, 0x1000 <getenv>"},
		{loader.ARM64, "\x00\x00\x00\xb0", "adrp x0, 0x2000"},
		{loader.AMD64, "\x75\x02", "jne 0x1014 <getenv+20>"},
		{loader.AMD64, "\xe8\xeb\xff\xff\xff", "call 0x1000 <getenv>"},
		{loader.AMD64, "\x48\x8b\x05\x01\x00\x00\x00", "mov rax, qword ptr [rip+0x1]        # 0x1018 <getenv+24>"},
		{loader.AMD64, "\x48\x8d\x3d\xe2\xff\xff\xff", "lea rdi, [rip+0xffffffffffffffe2]        # 0xff9"},
	} {
		in, err := Decode(tc.arch, []byte(tc.code), 0x1010, symbol)
		if err != nil || in.Text != tc.text {
			t.Errorf("%x: %q, %v, want %q", tc.code, in.Text, err, tc.text)
		}
	}
}

func TestUndecoded(t *testing.T) {
	for _, tc := range []struct {
		arch       loader.Arch
		code, text string
		length     int
	}{
		{loader.ARM64, "\xff\xff\xff\xff", ".inst 0xffffffff", 4},
		{loader.ARM64, "\x00\x10\x60\xd9and more", ".inst 0xd9601000", 4}, // a memory tag extension
		{loader.AMD64, "\x06", ".byte 0x06", 1},
		{loader.AMD64, "\x0f\x04\xc0and so on, and so on", ".byte 0x0f", 1},
		{loader.AMD64, "\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x90", ".byte 0x66", 1},
	} {
		in, err := Decode(tc.arch, []byte(tc.code), 0x1000, nil)
		if err != nil || in.Text != tc.text || !in.Undecoded || in.Len != tc.length || in.Addr != 0x1000 {
			t.Errorf("%x: %+v, %v, want %q", tc.code, in, err, tc.text)
		}
		if len(in.Mem)+len(in.Dst)+len(in.Src)+len(in.Moves) != 0 || in.Branch {
			t.Errorf("%x: something is known of it: %+v", tc.code, in)
		}
	}
}

func TestErrors(t *testing.T) {
	for _, tc := range []struct {
		name string
		arch loader.Arch
		code string
		want string
	}{
		{"no architecture", 0, "\x90", "unknown architecture"},
		{"no bytes", loader.AMD64, "", "no bytes"},
		{"part of an instruction", loader.AMD64, "\x48\x8b\x05\x01\x00", "it has 7 bytes, of which 5 are there"},
		{"part of an AVX instruction", loader.AMD64, "\xc5\xf9\x6f\x05", "of which 4 are there"},
		{"no bytes", loader.ARM64, "", "0 of 4 bytes"},
		{"three bytes", loader.ARM64, "\x1f\x20\x03", "3 of 4 bytes"},
	} {
		in, err := Decode(tc.arch, []byte(tc.code), 0x1000, nil)
		if err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %+v, %v, want %q", tc.name, in, err, tc.want)
		}
	}
}
