package linux

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write docs/syscalls.md anew")

const docPath = "../../../docs/syscalls.md"

// document is the page that docs/syscalls.md holds.
func document() []byte {
	var b bytes.Buffer
	b.WriteString(`# System calls

What the emulated Linux does with the system calls of a process. A call that is
not listed returns ENOSYS and is named in the result. This page is generated:
` + "`go test ./emu/internal/linux -run Doc -update`" + ` writes it anew.

- supported: as Linux does it, as far as a process without a host can tell.
- partly: see the note.
- absent: returns ENOSYS on purpose; C libraries have another way.

| name | arm64 | amd64 | support | note |
| --- | --- | --- | --- | --- |
`)
	number := func(n int) string {
		if n < 0 {
			return "-"
		}
		return strconv.Itoa(n)
	}
	for _, d := range Table() {
		fmt.Fprintf(&b, "| %s | %s | %s | %v | %s |\n", d.Name, number(d.ARM64), number(d.AMD64), d.Support, d.Note)
	}
	return b.Bytes()
}

func TestDoc(t *testing.T) {
	want := document()
	if *update {
		if err := os.WriteFile(docPath, want, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(docPath)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Error("docs/syscalls.md is not what the table says; run: go test ./emu/internal/linux -run Doc -update")
	}
}

// TestTable: names are in order, numbers are used once, and a call is there
// exactly when it says so.
func TestTable(t *testing.T) {
	var names []string
	arm64, amd64 := map[int]string{}, map[int]string{}
	for i, d := range Table() {
		names = append(names, d.Name)
		for _, c := range []struct {
			n    int
			seen map[int]string
		}{{d.ARM64, arm64}, {d.AMD64, amd64}} {
			if other, taken := c.seen[c.n]; taken && c.n >= 0 {
				t.Errorf("%s and %s have the number %d", d.Name, other, c.n)
			}
			c.seen[c.n] = d.Name
		}
		if d.ARM64 < 0 && d.AMD64 < 0 {
			t.Errorf("%s has no number", d.Name)
		}
		if does := calls[i].do != nil; does != (d.Support >= Partly) {
			t.Errorf("%s is %v, implemented: %v", d.Name, d.Support, does)
		}
		if d.Support == Partly && d.Note == "" {
			t.Errorf("%s: partly, and no note says how far", d.Name)
		}
		if strings.ContainsAny(d.Note, "|\n") {
			t.Errorf("%s: the note %q does not fit a table", d.Name, d.Note)
		}
	}
	if !slices.IsSorted(names) {
		t.Errorf("not in order: %v", names)
	}
}
