package replay

import (
	"bytes"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"emurace/loader"
)

var update = flag.Bool("update", false, "write the golden files anew")

// golden compares a text with a golden file. Its first line is the build-id of
// the libc that it belongs to: a newer package of the same suite has other
// addresses, and then only the form is compared, with the numbers left out.
func golden(t *testing.T, name, buildID, got string) {
	t.Helper()
	file := filepath.Join("..", "testdata", "golden", "replay", name)
	if *update {
		must(t, os.MkdirAll(filepath.Dir(file), 0o755))
		must(t, os.WriteFile(file, []byte("libc build-id "+buildID+"\n"+got), 0o644))
	}
	b, err := os.ReadFile(file)
	must(t, err)
	first, want, _ := strings.Cut(string(b), "\n")
	if first != "libc build-id "+buildID {
		t.Logf("%s is of another libc (%s): only the headings are compared", file, first)
		got, want = headings(got), headings(want)
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("%s (-want +got):\n%s\nIf the new text is right: go test ./replay -run %s -update", file, d, t.Name())
	}
}

var numbers = regexp.MustCompile(`0x[0-9a-f]+|[0-9][0-9,]*`)

// headings are the lines that begin a section, without numbers.
func headings(text string) string {
	var list []string
	for line := range strings.Lines(text) {
		if line[0] != ' ' && line[0] != '\n' {
			list = append(list, numbers.ReplaceAllString(line, "N"))
		}
	}
	return strings.Join(list, "")
}

func dumped(t *testing.T, f find, color bool, last uint64) string {
	t.Helper()
	h := f.history(t)
	x := explain(t, h)
	var b bytes.Buffer
	must(t, Dump(NewPrinter(&b, color), h, x, DumpOptions{Last: last, Full: true}))
	return b.String()
}

func TestGolden(t *testing.T) {
	eachArch(t, func(t *testing.T, arch loader.Arch) {
		f := findRace(t, "bookworm", arch)
		id := f.Libc().BuildID
		golden(t, "find-"+arch.String()+".txt", id, told(explain(t, f.history(t))))
		dump := dumped(t, f, false, 40)
		golden(t, "dump-"+arch.String()+".txt", id, dump)
		checkDump(t, f, dump)
	})
}

// checkDump: whatever the libc, a dump has these parts.
func checkDump(t *testing.T, f find, dump string) {
	t.Helper()
	for _, pattern := range []string{
		`^main dies of SIGSEGV in getenv\n`,
		`\nwhy\n    main loaded `,
		`\nthread main: running in getenv\("LANGUAGE"\)\n    #0  0x[0-9a-f]{14,16} in getenv\+0x`,
		`\nthread worker: done; its last call was setenv\("SSL_CERT_DIR"`,
		`\ncode at getenv\+0x[0-9a-f]+\n`,
		`\n => 0x[0-9a-f]+  getenv\+0x`,
		`\nregisters of main\n`,
		`\nmemory around 0x[0-9a-f]+, where \w+ was loaded from\n`,
		`\nenviron when the race began: 0x[0-9a-f]+, 66 entries; its memory now\n`,
		`\n    \[ 66\] 0x[0-9a-f]+: 0x0+220  no string: nothing is mapped there  where NULL ended the list\n`,
		`\nenviron now: 0x[0-9a-f]+, 68 entries\n`,
		`"SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt"\n`,
		`\nthe last 40 instructions of [0-9,]+\n`,
		`\n       fault  getenv\+0x[0-9a-f]+ `,
	} {
		if !regexp.MustCompile(pattern).MatchString(dump) {
			t.Errorf("no match of %s", pattern)
		}
	}
	regs, err := f.Process().Registers(f.MachineThread(0))
	must(t, err)
	for _, r := range regs {
		if !strings.Contains(dump, "    "+r.Name+" ") {
			t.Errorf("register %s is not in the dump", r.Name)
		}
	}
	if strings.Contains(dump, "\x1b") {
		t.Error("there are colours that nobody asked for")
	}
	for i, line := range strings.Split(dump, "\n") {
		if strings.TrimRight(line, " ") != line {
			t.Errorf("line %d ends with blanks: %q", i+1, line)
		}
	}
}

var escapes = regexp.MustCompile("\x1b\\[[0-9;]*m")

// TestColours: colours are on when asked for, and nothing else changes.
func TestColours(t *testing.T) {
	f := findRace(t, "bookworm", loader.AMD64)
	plain, coloured := dumped(t, f, false, 40), dumped(t, f, true, 40)
	if n := len(escapes.FindAllString(coloured, -1)); n < 100 || n%2 != 0 {
		t.Errorf("%d colour codes", n)
	}
	if d := cmp.Diff(plain, escapes.ReplaceAllString(coloured, "")); d != "" {
		t.Errorf("with colours the text is another: %s", d)
	}
	for i, line := range strings.Split(coloured, "\n") {
		if strings.LastIndex(line, "\x1b[") != strings.LastIndex(line, "\x1b[0m") {
			t.Errorf("line %d leaves a colour on: %q", i+1, line)
		}
	}
}

// TestDumpLast: as many instructions are shown as were asked for and there are.
func TestDumpLast(t *testing.T) {
	f := findRace(t, "bookworm", loader.ARM64)
	line := regexp.MustCompile(`(?m)^ +\d+  [a-z_A-Z]+[^ ]*\+0x[0-9a-f]+ `)
	for last, want := range map[uint64]int{0: 0, 1: 1, 41: 41, 1 << 62: len(f.history(t).Events())} {
		if got := len(line.FindAllString(dumped(t, f, false, last), -1)); got != want {
			t.Errorf("last %d: %d instructions, want %d", last, got, want)
		}
	}
}

// failing is a full disk.
type failing struct{ room int }

func (f *failing) Write(p []byte) (int, error) {
	if f.room -= len(p); f.room < 0 {
		return 0, os.ErrClosed
	}
	return len(p), nil
}

// TestDumpError: an error of the writer is not lost, wherever it happens.
func TestDumpError(t *testing.T) {
	f := findRace(t, "bookworm", loader.ARM64)
	h := f.history(t)
	x := explain(t, h)
	for room := 0; room < len(dumped(t, f, false, 40)); room += 1999 {
		if err := Dump(NewPrinter(&failing{room}, false), h, x, DumpOptions{Last: 40, Full: true}); !errors.Is(err, os.ErrClosed) {
			t.Fatalf("after %d bytes: %v", room, err)
		}
	}
}
