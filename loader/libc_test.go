package loader_test

import (
	"bytes"
	"debug/dwarf"
	"debug/elf"
	"encoding/binary"
	"errors"
	"io"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"emurace/internal/testroot"
	"emurace/loader"
)

// everyLibc runs a test on each real glibc that Debian has.
func everyLibc(t *testing.T, test func(t *testing.T, suite string, s *loader.Sysroot, libc *loader.Image)) {
	for _, suite := range []string{"bullseye", "bookworm", "trixie", "forky"} {
		for _, arch := range []loader.Arch{loader.ARM64, loader.AMD64} {
			if testing.Short() && suite+arch.String() != "bookwormarm64" && suite+arch.String() != "trixieamd64" {
				continue
			}
			t.Run(suite+"-"+arch.String(), func(t *testing.T) {
				s, libc := openLibc(t, suite, arch)
				test(t, suite, s, libc)
			})
		}
	}
}

func openLibc(t testing.TB, suite string, arch loader.Arch) (*loader.Sysroot, *loader.Image) {
	t.Helper()
	s, err := loader.OpenSysroot(testroot.Dir(t, "debian:"+suite, arch.String()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	libc, err := loader.LoadImage(s, "/lib/"+arch.Triplet()+"/libc.so.6")
	if err != nil {
		t.Fatal(err)
	}
	return s, libc
}

func loadDebug(t testing.TB, s *loader.Sysroot, im *loader.Image) {
	t.Helper()
	if found, err := im.LoadDebug(s); !found || err != nil {
		t.Fatalf("debug file %s: found %v, %v", im.DebugPath(), found, err)
	}
}

func TestLibcHeaders(t *testing.T) {
	everyLibc(t, func(t *testing.T, _ string, s *loader.Sysroot, libc *loader.Image) {
		if libc.Soname != "libc.so.6" || libc.Interp != libc.Arch.Interp() || libc.Type != elf.ET_DYN {
			t.Errorf("soname %q, interpreter %q, %v", libc.Soname, libc.Interp, libc.Type)
		}
		if len(libc.Needed) != 1 || !strings.HasPrefix(libc.Needed[0], "ld-linux") {
			t.Errorf("needs %q", libc.Needed)
		}
		if len(libc.BuildID) != 40 || len(libc.SHA256()) != 64 || libc.TLS == nil || libc.Relro == nil || libc.ExecStack {
			t.Errorf("build-id %q, hash %q, TLS %+v, relro %+v, executable stack %v", libc.BuildID, libc.SHA256(), libc.TLS, libc.Relro, libc.ExecStack)
		}
		if _, err := libc.Plan(0x7f0000000000); err != nil {
			t.Error(err)
		}
		ld, err := loader.LoadImage(s, libc.Interp)
		if err != nil {
			t.Fatal(err)
		}
		if ld.Interp != "" || ld.Soname != path.Base(libc.Interp) || ld.Entry == 0 {
			t.Errorf("ld.so: interpreter %q, soname %q, entry %#x", ld.Interp, ld.Soname, ld.Entry)
		}
	})
}

// Every library of every sysroot is accepted.
func TestLibrariesParse(t *testing.T) {
	everyLibc(t, func(t *testing.T, _ string, s *loader.Sysroot, libc *loader.Image) {
		dir := "/lib/" + libc.Arch.Triplet()
		list, err := s.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		count := 0
		for _, e := range list {
			if !strings.Contains(e.Name(), ".so") {
				continue
			}
			im, err := loader.LoadImage(s, dir+"/"+e.Name())
			if err != nil {
				t.Error(err)
				continue
			}
			count++
			if im.SymbolProblem() != nil || im.LineProblem() != nil {
				t.Errorf("%s: %v, %v", im.Name, im.SymbolProblem(), im.LineProblem())
			}
		}
		if count < 15 {
			t.Errorf("only %d libraries", count)
		}
	})
}

// The standard library's reader, which is no less able on sound files, finds
// the same exported symbols with the same versions.
func TestLibcSymbolsAgainstDebugELF(t *testing.T) {
	everyLibc(t, func(t *testing.T, _ string, _ *loader.Sysroot, libc *loader.Image) {
		f, err := elf.NewFile(bytes.NewReader(libc.Data()))
		if err != nil {
			t.Fatal(err)
		}
		list, err := f.DynamicSymbols()
		if err != nil {
			t.Fatal(err)
		}
		var want []loader.Symbol
		for _, s := range list {
			kind := elf.ST_TYPE(s.Info)
			if s.Section == elf.SHN_UNDEF || s.Section == elf.SHN_ABS || kind != elf.STT_FUNC && kind != elf.STT_OBJECT && kind != elf.STT_GNU_IFUNC {
				continue
			}
			want = append(want, loader.Symbol{
				Name: s.Name, Version: s.Version, Addr: s.Value, Size: s.Size, Type: kind, Bind: elf.ST_BIND(s.Info),
				Dynamic: true, Default: !s.VersionIndex.IsHidden(),
			})
		}
		var got []loader.Symbol
		for _, s := range libc.Symbols() {
			if s.Dynamic {
				got = append(got, s)
			}
		}
		order := func(a, b loader.Symbol) int { return strings.Compare(a.String(), b.String()) }
		slices.SortFunc(want, order)
		slices.SortFunc(got, order)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("exported symbols (-debug/elf +loader):\n%s", diff)
		}
	})
}

func TestLibcNames(t *testing.T) {
	everyLibc(t, func(t *testing.T, suite string, s *loader.Sysroot, libc *loader.Image) {
		base := map[loader.Arch]string{loader.ARM64: "GLIBC_2.17", loader.AMD64: "GLIBC_2.2.5"}[libc.Arch]
		names := []string{"getenv", "setenv", "unsetenv", "putenv", "realloc", "malloc", "free", "calloc", "abort", "puts", "read", "qsort"}
		check := func() {
			t.Helper()
			for _, name := range names {
				sym, ok := libc.Symbol(name)
				if !ok || sym.Version != base || !sym.Function() || sym.Size == 0 {
					t.Errorf("Symbol(%q) = %v, %v", name, sym, ok)
				}
				if at, off, ok := libc.SymbolAt(sym.Addr + 4); !ok || at.Name != name || off != 4 {
					t.Errorf("SymbolAt(%s+4) = %s+%d, %v", name, at.Name, off, ok)
				}
			}
		}
		check()
		if sym, ok := libc.Symbol("_int_malloc"); ok {
			t.Errorf("_int_malloc is exported: %v", sym)
		}
		if list := libc.Named("_int_malloc"); len(list) != 0 {
			t.Errorf("_int_malloc is known without a debug file: %v", list)
		}
		if file, line, ok := libc.LineAt(mustSymbol(t, libc, "getenv").Addr); ok {
			t.Errorf("a line is known without a debug file: %s:%d", file, line)
		}

		loadDebug(t, s, libc)
		check() // the many local aliases change nothing
		locals := []string{"_int_malloc", "_int_realloc", "main_arena"}
		if suite == "bullseye" || suite == "bookworm" {
			locals = append(locals, "_int_free") // later inlined
		}
		for _, name := range locals {
			list := libc.Named(name)
			if len(list) != 1 {
				t.Errorf("Named(%q) = %v", name, list)
				continue
			}
			if at, off, ok := libc.SymbolAt(list[0].Addr + 4); !ok || at.Name != name || off != 4 {
				t.Errorf("SymbolAt(%s+4) = %s+%d, %v", name, at.Name, off, ok)
			}
		}
		for name, want := range map[string]string{"getenv": "getenv.c", "setenv": "setenv.c"} {
			file, line, ok := libc.LineAt(mustSymbol(t, libc, name).Addr)
			if !ok || path.Base(file) != want || line < 10 {
				t.Errorf("LineAt(%s) = %s:%d, %v", name, file, line, ok)
			}
		}
		// A unit is all of a source file, and no more.
		unit := libc.Unit(mustSymbol(t, libc, "malloc").Addr)
		in := func(name string) bool {
			at := libc.Named(name)[0].Addr
			return slices.ContainsFunc(unit, func(r [2]uint64) bool { return r[0] <= at && at < r[1] })
		}
		for name, want := range map[string]bool{"free": true, "_int_malloc": true, "getenv": false, "strlen": false, "reallocarray": false} {
			if in(name) != want {
				t.Errorf("%s was compiled together with malloc: %v", name, !want)
			}
		}
		if unit := libc.Unit(libc.Load[len(libc.Load)-1].Vaddr); unit != nil {
			t.Errorf("data is of a unit: %x", unit)
		}
		if err := errors.Join(libc.SymbolProblem(), libc.LineProblem()); err != nil {
			t.Error(err)
		}
	})
}

func mustSymbol(t testing.TB, im *loader.Image, name string) loader.Symbol {
	t.Helper()
	sym, ok := im.Symbol(name)
	if !ok {
		t.Fatalf("%s: no %s", im.Name, name)
	}
	return sym
}

// The compatibility symbols that hide behind a default version.
func TestLibcHiddenVersions(t *testing.T) {
	_, libc := openLibc(t, "bookworm", loader.AMD64)
	for ask, want := range map[string]string{
		"memcpy": "memcpy@@GLIBC_2.14", "memcpy@GLIBC_2.2.5": "memcpy@GLIBC_2.2.5", "memcpy@GLIBC_2.14": "memcpy@@GLIBC_2.14",
		"pthread_create": "pthread_create@@GLIBC_2.34", "pthread_create@GLIBC_2.2.5": "pthread_create@GLIBC_2.2.5", "memcpy@GLIBC_2.99": "",
	} {
		sym, ok := libc.Symbol(ask)
		if ok != (want != "") || ok && sym.String() != want {
			t.Errorf("Symbol(%q) = %v, %v, want %q", ask, sym, ok, want)
		}
	}
	if sym := mustSymbol(t, libc, "errno@GLIBC_PRIVATE"); sym.Type != elf.STT_TLS || sym.Addr >= libc.TLS.Memsz {
		t.Errorf("errno is %+v", sym)
	}
}

// Everything that loading needs is there without section headers, as sstrip
// leaves a file.
func TestLibcWithoutSections(t *testing.T) {
	everyLibc(t, func(t *testing.T, _ string, _ *loader.Sysroot, libc *loader.Image) {
		data := slices.Clone(libc.Data())
		binary.LittleEndian.PutUint64(data[40:], 0)
		bare, err := loader.Parse("bare", data)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(mustSymbol(t, libc, "getenv"), mustSymbol(t, bare, "getenv")); diff != "" {
			t.Errorf("getenv: %s", diff)
		}
		if with, without := len(libc.Symbols()), len(bare.Symbols()); with != without {
			t.Errorf("%d symbols with section headers, %d without", with, without)
		}
		frames, addr, ok := libc.EHFrame()
		bareFrames, bareAddr, bareOK := bare.EHFrame()
		if !ok || !bareOK || addr != bareAddr || !bytes.HasPrefix(bareFrames, frames) {
			t.Errorf("frames at %#x, %v, by section header, at %#x, %v, by program header", addr, ok, bareAddr, bareOK)
		}
		if bare.BuildID != libc.BuildID {
			t.Errorf("build-id %q, want %q", bare.BuildID, libc.BuildID)
		}
	})
}

// debugDWARF is what the standard library reads from an image's debug file.
func debugDWARF(t *testing.T, s *loader.Sysroot, im *loader.Image) *dwarf.Data {
	t.Helper()
	data, err := s.ReadFile(im.DebugPath(), loader.MaxFile)
	if err != nil {
		t.Fatal(err)
	}
	f, err := elf.NewFile(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	d, err := f.DWARF()
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// Row by row, the lines of some source files are those that the standard
// library reads from the same debug file.
func TestLibcLinesAgainstDebugDWARF(t *testing.T) {
	everyLibc(t, func(t *testing.T, _ string, s *loader.Sysroot, libc *loader.Image) {
		loadDebug(t, s, libc)
		dw := debugDWARF(t, s, libc)
		rows := 0
		for r := dw.Reader(); ; r.SkipChildren() {
			cu, err := r.Next()
			if err != nil {
				t.Fatal(err)
			}
			if cu == nil {
				break
			}
			name, _ := cu.Val(dwarf.AttrName).(string)
			if slices.Contains([]string{"getenv.c", "setenv.c", "malloc.c", "clone.S", "memcpy.S"}, path.Base(name)) {
				rows += compareLines(t, libc, dw, cu)
			}
		}
		if rows < 3000 {
			t.Errorf("only %d rows compared", rows)
		}
	})
}

func compareLines(t *testing.T, im *loader.Image, dw *dwarf.Data, cu *dwarf.Entry) (rows int) {
	t.Helper()
	r, err := dw.LineReader(cu)
	if err != nil || r == nil {
		t.Fatalf("line reader: %v", err)
	}
	var before, row dwarf.LineEntry
	for {
		if err := r.Next(&row); errors.Is(err, io.EOF) {
			return rows
		} else if err != nil {
			t.Fatal(err)
		}
		if before.File != nil && !before.EndSequence && before.Line > 0 && before.Address < row.Address {
			rows++
			file, line, ok := im.LineAt(row.Address - 1)
			if !ok || line != before.Line || path.Base(file) != path.Base(before.File.Name) {
				t.Errorf("LineAt(%#x) = %s:%d, %v, want %s:%d", row.Address-1, file, line, ok, before.File.Name, before.Line)
			}
		}
		before = row
	}
}

func BenchmarkParse(b *testing.B) {
	_, libc := openLibc(b, "bookworm", loader.ARM64)
	for b.Loop() {
		if _, err := loader.Parse("libc.so.6", libc.Data()); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkSymbols is what a first look-up of a function costs.
func BenchmarkSymbols(b *testing.B) {
	_, libc := openLibc(b, "bookworm", loader.ARM64)
	for b.Loop() {
		im, err := loader.Parse("libc.so.6", libc.Data())
		if err != nil {
			b.Fatal(err)
		}
		mustSymbol(b, im, "getenv")
	}
}

// BenchmarkDebug is what the first name and line from a debug file cost.
func BenchmarkDebug(b *testing.B) {
	s, libc := openLibc(b, "bookworm", loader.ARM64)
	addr := mustSymbol(b, libc, "getenv").Addr
	for b.Loop() {
		loadDebug(b, s, libc)
		libc.SymbolAt(addr)
		if _, _, ok := libc.LineAt(addr); !ok {
			b.Fatal("no line")
		}
	}
}

// TestGlibcVersion: the version that each libc's file tells, and no other image.
func TestGlibcVersion(t *testing.T) {
	versions := map[string]string{"bullseye": "2.31", "bookworm": "2.36", "trixie": "2.41", "forky": "2.4"}
	everyLibc(t, func(t *testing.T, suite string, s *loader.Sysroot, libc *loader.Image) {
		if version, ok := libc.GlibcVersion(); !ok || !strings.HasPrefix(version, versions[suite]) {
			t.Errorf("%q, %v", version, ok)
		}
		linker, err := loader.LoadImage(s, libc.Arch.Interp())
		if err != nil {
			t.Fatal(err)
		}
		if version, ok := linker.GlibcVersion(); ok {
			t.Errorf("the dynamic linker is glibc's libc %q", version)
		}
	})
}
