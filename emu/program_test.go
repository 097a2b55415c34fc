package emu

import (
	"errors"
	"strings"
	"testing"

	"emurace/loader"
)

// TestPrograms: a real program runs up to its end, static and by its interpreter, and the
// same in every process; what it prints is kept, or passed on.
func TestPrograms(t *testing.T) {
	for _, arch := range []loader.Arch{loader.ARM64, loader.AMD64} {
		sys := system(t, "bookworm", arch)
		for _, c := range []struct {
			path, says string
			argv       []string
		}{
			{"/sbin/ldconfig", "ldconfig (Debian GLIBC 2.36", []string{"ldconfig", "-V"}},
			{"/usr/bin/iconv", "iconv (Debian GLIBC 2.36", []string{"iconv", "--version"}},
			{glibcPath(arch), "GNU C Library", []string{"libc"}},
		} {
			var steps uint64
			for _, kept := range []bool{true, false} {
				var passed strings.Builder
				o := ProgramOptions{System: sys, Path: c.path, Argv: c.argv, Seed: 1}
				if !kept {
					o.Print = func(_ int, data []byte) { passed.Write(data) }
				}
				m, err := NewProgram(o)
				if err != nil {
					t.Fatal(err)
				}
				s, err := m.Run(0, 100_000_000)
				if err != nil || s.Kind != Ended || s.End.Kind != EndExit || s.End.Code != 0 {
					t.Errorf("%v %s: %v, %v", arch, c.path, s, err)
				}
				said := passed.String()
				if kept {
					said = string(m.printed())
				} else if len(m.printed()) > 0 {
					t.Errorf("%v %s: %q is kept", arch, c.path, m.printed())
				}
				if !strings.HasPrefix(said, c.says) {
					t.Errorf("%v %s says %q", arch, c.path, said)
				}
				if missing := m.unknownSyscalls(); len(missing) > 0 {
					t.Errorf("%v %s: %q are not there", arch, c.path, missing)
				}
				if p := m.Program(); p.Path == "" || !kept && m.Steps() != steps {
					t.Errorf("%v %s: %q, %d steps and %d", arch, c.path, p.Path, steps, m.Steps())
				}
				steps = m.Steps()
				m.Close()
			}
		}
	}
}

// TestProgramErrors: what cannot be started is said with the file that is to blame.
func TestProgramErrors(t *testing.T) {
	sys := system(t, "bookworm", loader.ARM64)
	libc, err := sys.File(glibcPath(loader.ARM64))
	if err != nil {
		t.Fatal(err)
	}
	lost := []byte(strings.Replace(string(libc), "/lib/ld-linux-aarch64.so.1", "/lib/ld-linux-aarch64.so.0", 1))
	for _, c := range []struct {
		path  string
		files map[string][]byte
		want  string
	}{
		{"/nothing", nil, "start /nothing: "},
		{"/text", map[string][]byte{"/text": []byte("text")}, "/text"},
		{"/lost", map[string][]byte{"/lost": lost}, "its interpreter /lib/ld-linux-aarch64.so.0: "},
	} {
		_, err := NewProgram(ProgramOptions{System: sys, Path: c.path, Argv: []string{"x"}, Files: c.files})
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", c.path, err)
		}
		if interp := (*InterpreterError)(nil); c.path == "/lost" && !errors.As(err, &interp) {
			t.Errorf("%T", err)
		}
	}
}
