package emu

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"emurace/internal/guestcode"
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
			{"/lib/" + arch.Triplet() + "/libc.so.6", "GNU C Library", []string{"libc"}},
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
	libc, err := sys.File("/lib/" + loader.ARM64.Triplet() + "/libc.so.6")
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

// TestProgramThreads: a run of a program comes back behind the call that makes a thread, where
// that is waited for, and looking at it there leaves it as it is: what it has opened is known,
// and a function that only its own resolver could name is an error.
func TestProgramThreads(t *testing.T) {
	const source = "#include <pthread.h>\nstatic void *f(void *a) { return a; }\n" +
		"int main(void) { pthread_t t; return pthread_create(&t, 0, f, 0) || pthread_join(t, 0); }"
	for _, arch := range []loader.Arch{loader.ARM64, loader.AMD64} {
		m, err := NewProgram(ProgramOptions{
			System: system(t, "bookworm", arch), Path: "/program", Argv: []string{"program"}, Seed: 1,
			Files: map[string][]byte{"/program": guestcode.Program(t, arch, source)},
		})
		if err != nil {
			t.Fatal(err)
		}
		defer m.Close()
		const far = 10_000_000
		m.AwaitThread(true)
		s, err := m.Run(0, far)
		if err != nil || s.Kind != Budget || s.Ran == far || m.Made() != 2 {
			t.Errorf("%v: %v, %v, %d threads", arch, s, err, m.Made())
		}
		before, err := m.Digest(0)
		if err != nil {
			t.Fatal(err)
		}
		if addr, err := m.Lookup("strlen"); err == nil || !strings.Contains(err.Error(), "STT_GNU_IFUNC") {
			t.Errorf("%v: strlen is at %#x, %v", arch, addr, err)
		}
		for _, o := range m.Opened() {
			if content, err := m.Content(o.Path); err != nil || !bytes.Equal(content, o.Content) {
				t.Errorf("%v: %s is %d bytes, opened with %d, %v", arch, o.Path, len(content), len(o.Content), err)
			}
		}
		if n := len(m.Opened()); n == 0 || !m.RunsProgram() {
			t.Errorf("%v: %d files opened, runs a program: %v", arch, n, m.RunsProgram())
		}
		if after, err := m.Digest(0); err != nil || after != before {
			t.Errorf("%v: looking has changed it: %v", arch, err)
		}
		m.AwaitThread(false)
		if s, err = m.Run(1, far); err != nil || s.Kind != Gone {
			t.Errorf("%v: %v, %v", arch, s, err)
		}
		if s, err = m.Run(0, far); err != nil || s.Kind != Ended || s.End.Code != 0 {
			t.Errorf("%v: %v, %v", arch, s, err)
		}
	}
}
