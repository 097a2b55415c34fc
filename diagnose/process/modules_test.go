package process_test

import (
	"debug/elf"
	"encoding/hex"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"emurace/diagnose/process"
	"emurace/internal/testcores"
	"emurace/internal/testroot"
	"emurace/loader"
)

// buildID is that of a file, as debug/elf finds it.
func buildID(t testing.TB, name string) string {
	t.Helper()
	f, err := elf.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }() // it is only read
	s := f.Section(".note.gnu.build-id")
	if s == nil {
		return ""
	}
	b, err := s.Data()
	if err != nil || len(b) < 16 {
		t.Fatal(err)
	}
	return hex.EncodeToString(b[16:])
}

// named is the module whose name begins so.
func named(p *process.Process, prefix string) *process.Module {
	for _, m := range p.List() {
		if strings.HasPrefix(m.Name(), prefix) || strings.HasPrefix(m.Soname, prefix) {
			return m
		}
	}
	return nil
}

// sample is a small core of the emulator's, with NT_FILE, and the bytes that make worse ones.
func sample(t testing.TB) *testcores.Core {
	t.Helper()
	return testcores.Find("null-member").Emulated(t, "bookworm", loader.ARM64)
}

// TestDialects: in each dialect the program, libc and the dynamic linker are found, with the
// build-ids of their files where the core has them, and those files.
func TestDialects(t *testing.T) {
	cause := testcores.Find("null-member")
	for name, c := range map[string]struct {
		core   func() *testcores.Core
		origin process.Origin
	}{
		"kernel":   {func() *testcores.Core { return cause.Native(t, testcores.Kernel) }, process.SameBuildID},
		"gcore":    {func() *testcores.Core { return testcores.Find("stuck-condition").Native(t, testcores.GCore) }, process.SameBuildID},
		"qemu":     {func() *testcores.Core { return cause.Qemu(t) }, process.ByName},
		"emulated": {func() *testcores.Core { return sample(t) }, process.SameBuildID},
		"no list of files": {func() *testcores.Core {
			b, err := testcores.Unfile(sample(t).Bytes(t))
			return sample(t).Worse(t, b, err)
		}, process.SameBuildID},
		"as qemu": {func() *testcores.Core {
			b, err := testcores.AsQemu(sample(t).Bytes(t))
			return sample(t).Worse(t, b, err)
		}, process.ByName},
		"first pages": {func() *testcores.Core {
			b, err := testcores.WithoutFileBacked(sample(t).Bytes(t), true)
			return sample(t).Worse(t, b, err)
		}, process.SameBuildID},
		"no first pages": {func() *testcores.Core {
			b, err := testcores.WithoutFileBacked(sample(t).Bytes(t), false)
			return sample(t).Worse(t, b, err)
		}, process.NoFile}, // with nothing to compare a file is not taken by its name alone
	} {
		t.Run(name, func(t *testing.T) {
			core := c.core()
			p := whole(t, core)
			libc := p.Libc()
			if c.origin == process.NoFile {
				if libc == nil || libc.Origin != process.NoFile || libc.Image != nil || len(libc.Others) != 1 {
					t.Errorf("libc: %+v", libc)
				}
				return
			}
			if libc == nil || libc.Origin != c.origin || libc.File == "" || libc.Image == nil {
				t.Fatalf("libc: %+v", libc)
			}
			if c.origin == process.SameBuildID && libc.BuildID != buildID(t, libc.File) {
				t.Errorf("libc: build-id %s, its file has %s", libc.BuildID, buildID(t, libc.File))
			}
			if lo, hi := libc.Image.Span(); libc.Lo != libc.Base+lo || libc.Hi != libc.Base+hi {
				t.Errorf("libc from %#x to %#x, base %#x, its file from %#x to %#x", libc.Lo, libc.Hi, libc.Base, lo, hi)
			}
			if ld := named(p, "ld-linux"); ld == nil || ld.Image == nil || !p.Interp(ld) {
				t.Errorf("the dynamic linker: %+v", ld)
			}
			m := p.Main()
			if m == nil || m.Image == nil || m.File != core.Program {
				t.Fatalf("the program: %+v", m)
			}
			if at, ok := p.Core.Aux(loader.AT_ENTRY); !ok || at != m.Base+m.Image.Entry {
				t.Errorf("the program's base is %#x, its entry %#x, and AT_ENTRY %#x", m.Base, m.Image.Entry, at)
			}
			last := uint64(0)
			for _, m := range p.List() {
				if m.Lo < last || m.Hi <= m.Lo {
					t.Errorf("%s from %#x to %#x, behind %#x", m.Name(), m.Lo, m.Hi, last)
				}
				last = m.Hi
			}
			if version, known := p.Glibc(); !known || core.Sysroot != "/" && version != "2.36" {
				t.Errorf("glibc %q", version)
			}
		})
	}
}

// TestPlaces: a file is found by its build-id in a folder of those, at its path, and by its name beside other
// libraries; another build-id is refused and noted.
func TestPlaces(t *testing.T) {
	core := sample(t)
	root := core.Sysroot
	libc := filepath.Join(root, "lib/aarch64-linux-gnu/libc.so.6")
	id := buildID(t, libc)
	copied := func(t *testing.T, from string, to ...string) string {
		dir := t.TempDir()
		b, err := os.ReadFile(from)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range to {
			at := filepath.Join(dir, name)
			if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(at, b, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		return dir
	}
	wrong := filepath.Join(testroot.Dir(t, "debian:trixie", "arm64"), "lib/aarch64-linux-gnu/libc.so.6")
	other := filepath.Join(testroot.Dir(t, "debian:bookworm", "amd64"), "lib/x86_64-linux-gnu/libc.so.6")
	for name, c := range map[string]struct {
		dir   string
		want  string // below dir; "" for refused
		given bool
	}{
		"build-id":             {copied(t, libc, "usr/lib/debug/.build-id/"+id[:2]+"/"+id[2:]), "usr/lib/debug/.build-id/" + id[:2] + "/" + id[2:], false},
		"build-id at the root": {copied(t, libc, ".build-id/"+id[:2]+"/"+id[2:]), ".build-id/" + id[:2] + "/" + id[2:], false},
		"path":                 {copied(t, libc, "lib/aarch64-linux-gnu/libc.so.6"), "lib/aarch64-linux-gnu/libc.so.6", false},
		"lib64":                {copied(t, libc, "lib64/libc.so.6"), "lib64/libc.so.6", true},
		"right and wrong":      {copied(t, wrong, "lib/aarch64-linux-gnu/libc.so.6"), "", true},
		"of another machine":   {copied(t, other, "lib/aarch64-linux-gnu/libc.so.6"), "", true},
		"nothing":              {t.TempDir(), "", true},
	} {
		t.Run(name, func(t *testing.T) {
			p := open(t, testcoresWithoutCode(t).Path, &process.Files{Sources: []process.Source{source(t, c.dir, c.given)}})
			m := named(p, "libc.so")
			if m == nil {
				t.Fatal("no libc among the modules")
			}
			if m.BuildID != id {
				t.Errorf("build-id %q, want %s", m.BuildID, id)
			}
			if c.want == "" {
				if m.Image != nil || m.Origin != process.NoFile {
					t.Errorf("%v: %s", m.Origin, m.File)
				}
				if name == "right and wrong" && (len(m.Others) != 1 || m.Others[0].BuildID != buildID(t, wrong)) {
					t.Errorf("others: %+v", m.Others)
				}
				return
			}
			if m.Origin != process.SameBuildID || m.File != filepath.Join(c.dir, c.want) {
				t.Errorf("%v: %s, others %+v", m.Origin, m.File, m.Others)
			}
		})
	}
}

// testcoresWithoutCode is the sample with the first pages of its modules only: nothing can be made out of them.
func testcoresWithoutCode(t *testing.T) *testcores.Core {
	t.Helper()
	b, err := testcores.WithoutFileBacked(sample(t).Bytes(t), true)
	return sample(t).Worse(t, b, err)
}

// TestByName: without a build-id a file of the name is taken from a folder that was named, when its relocated
// words are those in memory, and from no other.
func TestByName(t *testing.T) {
	b, err := testcores.AsQemu(sample(t).Bytes(t))
	core := sample(t).Worse(t, b, err)
	right, wrong := source(t, core.Sysroot, true), source(t, testroot.Dir(t, "debian:trixie", "arm64"), true)
	unasked := right
	unasked.Given = false
	for name, c := range map[string]struct {
		sources []process.Source
		want    string // folder
	}{
		"right": {[]process.Source{right}, core.Sysroot}, "wrong": {[]process.Source{wrong}, ""}, "wrong first": {[]process.Source{wrong, right}, core.Sysroot},
		"not named": {[]process.Source{unasked}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			p := open(t, core.Path, &process.Files{Sources: c.sources})
			m := named(p, "libc.so")
			if m == nil {
				t.Fatal("no libc among the modules")
			}
			if m.BuildID != "" {
				t.Fatalf("the core has a build-id: %s", m.BuildID)
			}
			if (m.Origin == process.ByName) != (c.want != "") || c.want != "" && !strings.HasPrefix(m.File, c.want) {
				t.Errorf("%v: %s", m.Origin, m.File)
			}
			if strings.HasPrefix(name, "wrong") && len(m.Others) != 1 {
				t.Errorf("others: %+v", m.Others)
			}
		})
	}
}

// TestFromCore: a core that has all of its modules' memory, as the emulator's and one without a filter, needs no file for the
// names that they export, and those are where their file has them.
func TestFromCore(t *testing.T) {
	for name, core := range map[string]*testcores.Core{"emulated": sample(t), "unfiltered": testcores.Article(t, testcores.ArticleOptions{Writer: testcores.Kernel, Filter: 0x7f})} {
		t.Run(name, func(t *testing.T) {
			p, full := open(t, core.Path, &process.Files{}), whole(t, core)
			m := p.Libc()
			if m == nil || m.Origin != process.FromCore || m.File != "" || m.BuildID != full.Libc().BuildID {
				t.Fatalf("libc: %+v", m)
			}
			for _, symbol := range []string{"getenv", "malloc", "environ", "pthread_create"} {
				got, ok := p.Lookup(symbol)
				if want, _ := full.Lookup(symbol); !ok || got != want {
					t.Errorf("%s: %#x %v, want %#x", symbol, got, ok, want)
				}
			}
			// Unwinding needs no more than that.
			for i, th := range p.Threads {
				frames, _ := th.Frames()
				want, _ := full.Threads[i].Frames()
				pcs := func(list []process.Frame) (out []uint64) {
					for _, f := range list {
						out = append(out, f.PC)
					}
					return out
				}
				if got := pcs(frames); !slices.Equal(got, pcs(want)) {
					t.Errorf("thread %d: %x, want %x", th.TID, got, pcs(want))
				}
			}
		})
	}
}

// TestMemory: what the core has left out is read out of files, but for what may have been written to.
func TestMemory(t *testing.T) {
	core := sample(t)
	all := whole(t, core)
	poor := whole(t, testcoresWithoutCode(t))
	getenv, ok := all.Lookup("getenv")
	if !ok {
		t.Fatal("no getenv")
	}
	want, ok := all.Read(getenv, 64)
	if got, ok2 := poor.Read(getenv, 64); !ok || !ok2 || !slices.Equal(got, want) {
		t.Errorf("code: %x %v, want %x %v", got, ok2, want, ok)
	}
	if _, ok := poor.Core.Read(getenv, 64); ok {
		t.Error("the poorer core has code")
	}
	stream, ok := all.Lookup("_IO_2_1_stdout_") // initialised data
	if _, ok2 := all.Read64(stream); !ok || !ok2 {
		t.Error("no stdout")
	}
	if v, ok := poor.Read64(stream); ok {
		t.Errorf("stdout begins with %#x, and the core does not have it", v)
	}
	if _, ok := all.Text(0); ok {
		t.Error("text at 0")
	}
}
