package sysroot

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"encoding/hex"
	"os/exec"
	"runtime"
	"strings"
	"testing"
)

// tinyELF is an ELF file of nothing but a build id's section, with the note
// given as its contents.
func tinyELF(t testing.TB, note []byte) []byte {
	t.Helper()
	names := []byte("\x00.note.gnu.build-id\x00.shstrtab\x00")
	noteAt := uint64(binary.Size(elf.Header64{}))
	namesAt := noteAt + uint64(len(note))
	header := elf.Header64{
		Ident: [16]byte{0x7f, 'E', 'L', 'F', byte(elf.ELFCLASS64), byte(elf.ELFDATA2LSB), byte(elf.EV_CURRENT)},
		Type:  uint16(elf.ET_DYN), Machine: uint16(elf.EM_AARCH64), Version: uint32(elf.EV_CURRENT),
		Shoff: namesAt + uint64(len(names)), Ehsize: uint16(noteAt),
		Shentsize: uint16(binary.Size(elf.Section64{})), Shnum: 3, Shstrndx: 2,
	}
	sections := []elf.Section64{
		{},
		{Name: 1, Type: uint32(elf.SHT_NOTE), Off: noteAt, Size: uint64(len(note))},
		{Name: 20, Type: uint32(elf.SHT_STRTAB), Off: namesAt, Size: uint64(len(names))},
	}
	var b bytes.Buffer
	for _, part := range []any{header, note, names, sections} {
		if err := binary.Write(&b, binary.LittleEndian, part); err != nil {
			t.Fatal(err)
		}
	}
	return b.Bytes()
}

func TestBuildID(t *testing.T) {
	note := "\x04\x00\x00\x00\x02\x00\x00\x00\x03\x00\x00\x00GNU\x00\xab\xcd"
	for _, test := range []struct {
		name string
		file []byte
		want string
		err  string
	}{
		{"good", tinyELF(t, []byte(note)), "abcd", ""},
		{"none", bytes.Replace(tinyELF(t, []byte(note)), []byte(".note"), []byte(".nope"), 1), "", ""},
		{"another name", tinyELF(t, []byte(strings.Replace(note, "GNU", "Go\x00", 1))), "", "not a GNU note"},
		{"cut short", tinyELF(t, []byte(note[:15])), "", "not a GNU note"},
		{"longer than it is", tinyELF(t, []byte(note[:17])), "", "descriptor size: 2, larger"},
		{"longer than all memory", tinyELF(t, []byte(strings.Replace(note, "\x02\x00\x00\x00", "\xff\xff\xff\xff", 1))), "", "descriptor size: 4294967295, larger"},
		{"endless", tinyELF(t, make([]byte, buildIDLimit+1)), "", "4097 bytes long"},
		{"no ELF", []byte("text"), "", "EOF"},
		{"section beyond the end", tinyELF(t, []byte(note))[:100], "", "EOF"},
	} {
		got, err := buildID(bytes.NewReader(test.file))
		if got != test.want || (err == nil) != (test.err == "") || err != nil && !strings.Contains(err.Error(), test.err) {
			t.Errorf("%s: %q, %v; want %q, %q", test.name, got, err, test.want, test.err)
		}
	}
}

// TestBuildIDOfTheHost compares with what binutils, which come with gcc, say.
func TestBuildIDOfTheHost(t *testing.T) {
	place, err := findLibc("host", "/", runtime.GOARCH, "")
	if err != nil {
		t.Fatal(err)
	}
	id, err := buildIDOf("/", place)
	if err != nil || id == "" {
		t.Fatalf("%q, %v", id, err)
	}
	out, err := exec.Command("readelf", "--notes", "/"+place).Output()
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(out), "Build ID: "+id+"\n") {
		t.Errorf("%s is not in %s", id, out)
	}
}

// FuzzBuildID: an id is found only if its bytes are in the file.
func FuzzBuildID(f *testing.F) {
	f.Add(tinyELF(f, []byte("\x04\x00\x00\x00\x02\x00\x00\x00\x03\x00\x00\x00GNU\x00\xab\xcd")))
	f.Fuzz(func(t *testing.T, file []byte) {
		id, err := buildID(bytes.NewReader(file))
		if err != nil {
			return
		}
		raw, err := hex.DecodeString(id)
		if err != nil || len(raw) > buildIDLimit || !bytes.Contains(file, raw) {
			t.Fatalf("id %q, %v", id, err)
		}
	})
}
