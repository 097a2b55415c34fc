package testcores

import (
	"bytes"
	"debug/elf"
	"os/exec"
	"strings"
	"testing"

	"emurace/loader"
)

// sample is a small core with all that there can be in one.
func sample(t *testing.T) *Core {
	t.Helper()
	return Find("null-member").Emulated(t, "bookworm", loader.ARM64)
}

// readelf reads a core, and must have nothing to complain about.
func readelf(t *testing.T, c *Core) string {
	t.Helper()
	out, err := exec.Command("readelf", "-nlW", c.Path).CombinedOutput()
	if err != nil || bytes.Contains(out, []byte("arning")) || bytes.Contains(out, []byte("rror:")) {
		t.Fatalf("readelf: %v\n%s", err, out)
	}
	return string(out)
}

// TestWorse: what is to be gone is gone, and nothing else.
func TestWorse(t *testing.T) {
	c := sample(t)
	b := c.Bytes(t)
	all, err := takeApart(b)
	if err != nil {
		t.Fatal(err)
	}
	for name, w := range map[string]struct {
		make        func([]byte) ([]byte, error)
		loads       func(Load) bool // those that are kept, nil for all
		has, hasNot []string        // of what readelf prints
	}{
		"as it is": {func(b []byte) ([]byte, error) { return DropNotes(b, func(Note) bool { return false }) }, nil, []string{"NT_FILE", "NT_SIGINFO", "NT_FPREGSET", "NT_AUXV"}, nil},
		"unfile":   {Unfile, nil, []string{"NT_PRSTATUS", "NT_SIGINFO"}, []string{"NT_FILE"}},
		"unnote":   {Unnote, nil, nil, nil},
		"as qemu":  {AsQemu, func(l Load) bool { return !coded(l) }, []string{"NT_PRSTATUS", "NT_PRPSINFO", "NT_AUXV"}, []string{"NT_FILE", "NT_SIGINFO", "NT_FPREGSET"}},
		"without files": {func(b []byte) ([]byte, error) { return WithoutFileBacked(b, false) },
			func(l Load) bool { return l.File == "" }, []string{"NT_FILE"}, nil},
		"without anonymous": {WithoutAnonymous, func(l Load) bool { return l.File != "" }, []string{"NT_FILE"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			made, err := w.make(b)
			worse := c.Worse(t, made, err)
			text := ""
			if name != "unnote" { // which readelf calls an error
				text = readelf(t, worse)
			}
			for _, want := range w.has {
				if !strings.Contains(text, want) {
					t.Errorf("no %s in %s", want, text)
				}
			}
			for _, gone := range w.hasNot {
				if strings.Contains(text, gone) {
					t.Errorf("%s in %s", gone, text)
				}
			}
			again, err := takeApart(made)
			if err != nil || len(again.loads) != len(all.loads) {
				t.Fatalf("%d loads, want %d: %v", len(again.loads), len(all.loads), err)
			}
			if name == "unnote" && len(again.notes) > 0 {
				t.Errorf("%d notes", len(again.notes))
			}
			for i, l := range all.loads {
				g, kept := again.loads[i], w.loads == nil || w.loads(l)
				if g.Addr != l.Addr || g.Size != l.Size || g.Flags != l.Flags || kept != bytes.Equal(g.Data, l.Data) && len(l.Data) > 0 || !kept && len(g.Data) > 0 {
					t.Errorf("%#x of %q: %d bytes, had %d", l.Addr, l.File, len(g.Data), len(l.Data))
				}
			}
		})
	}
}

// TestHeaders: a core with the first pages of its modules, as the kernel leaves it, has their build-ids.
func TestHeaders(t *testing.T) {
	c := sample(t)
	b, err := WithoutFileBacked(c.Bytes(t), true)
	if err != nil {
		t.Fatal(err)
	}
	loads, err := Loads(b)
	if err != nil {
		t.Fatal(err)
	}
	kept := 0
	for _, l := range loads {
		if l.File != "" && len(l.Data) > 0 {
			kept++
			if len(l.Data) != pageSize || !bytes.HasPrefix(l.Data, []byte(elf.ELFMAG)) {
				t.Errorf("%d bytes of %s", len(l.Data), l.File)
			}
		}
	}
	if kept < 2 { // libc, ld.so; the program is no file of this machine, and so not in NT_FILE
		t.Errorf("the first pages of %d modules", kept)
	}
}

// TestTruncate: what is left of a core is its beginning, and gdb says so.
func TestTruncate(t *testing.T) {
	c := sample(t)
	b := c.Bytes(t)
	for _, n := range []int{len(b) + 1, len(b) / 2, ehdrSize, 0} {
		if got := Truncate(b, n); !bytes.Equal(got, b[:min(n, len(b))]) {
			t.Errorf("%d bytes of %d, of %d", len(got), n, len(b))
		}
	}
	if testing.Short() {
		return
	}
	out, err := exec.Command("gdb-multiarch", "-nx", "-batch", "-c", c.Worse(t, Truncate(b, len(b)/2), nil).Path).CombinedOutput()
	if err != nil || !bytes.Contains(out, []byte("extending past end of file")) {
		t.Errorf("%v: %s", err, out)
	}
}

// TestFilter: the kernel's own filter leaves out the first pages of modules, or what is anonymous.
func TestFilter(t *testing.T) {
	if err := KernelCores(); err != nil || NativeArch() == 0 {
		t.Skip(err)
	}
	for filter, c := range map[uint]struct {
		headers, heap bool
	}{0: {true, true}, 0x23: {false, true}, 0x32: {true, false}} {
		loads, err := Loads(Article(t, ArticleOptions{Writer: Kernel, Filter: filter}).Bytes(t))
		if err != nil {
			t.Fatal(err)
		}
		headers, heap := false, false
		for _, l := range loads {
			headers = headers || strings.Contains(l.File, "libc.so") && bytes.HasPrefix(l.Data, []byte(elf.ELFMAG))
			heap = heap || bytes.Contains(l.Data, []byte("SSL_CERT_FILE=")) && l.File == ""
		}
		if headers != c.headers || heap != c.heap {
			t.Errorf("filter %#x: headers %v, heap %v", filter, headers, heap)
		}
	}
}

// TestNoCore: what is no core is said to be none.
func TestNoCore(t *testing.T) {
	c := sample(t)
	program := c.Worse(t, nil, nil)
	program.Path = c.Program
	for _, b := range [][]byte{nil, []byte("text"), program.Bytes(t), c.Bytes(t)[:40]} {
		if _, err := Unfile(b); err == nil {
			t.Errorf("%d bytes are a core", len(b))
		}
	}
}
