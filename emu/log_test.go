package emu

import (
	"io"
	"regexp"
	"strings"
	"testing"

	"emurace/internal/logging"
	"emurace/internal/testroot"
	"emurace/loader"
)

// TestLog: the log has each system call that the kernel has served, in order, with its
// thread, and of one that waits its end too; and what was read to boot.
func TestLog(t *testing.T) {
	for _, arch := range tested() {
		t.Run(arch.String(), func(t *testing.T) {
			var b strings.Builder
			p := bootLogged(t, arch, &b, "syscalls,boot")
			libc := "/lib/" + arch.Triplet() + "/libc.so.6"
			said(t, b.String(),
				`boot: read `+libc+`, \d+ bytes`,
				`boot: image `+libc+`, build ID [0-9a-f]{40}, debug information: (true|false)`,
				`syscalls: #1 main \d+ openat\(AT_FDCWD, "`+libc+`", O_RDONLY\|O_CLOEXEC\) = 3`,
				`syscalls: #1 main \d+ close\(3\) = 0`,
				`boot: machine #1: booted in \d+ instructions, seed 1`,
				`boot: machine #1: 0x[0-9a-f]+ to 0x[0-9a-f]+ `+libc)
			worker, err := p.Spawn("worker")
			if err != nil {
				t.Fatal(err)
			}
			mutex := p.bytes(make([]byte, 64))
			p.call(0, "pthread_mutex_lock", mutex)
			b.Reset()
			p.begin(worker, "pthread_mutex_lock", mutex)
			if s := p.run(worker, BootInstructions); s.Kind != Waits {
				t.Fatal(s)
			}
			p.call(0, "pthread_mutex_unlock", mutex)
			said(t, b.String(),
				`syscalls: #1 worker \d+ futex\(0x[0-9a-f]+, FUTEX_WAIT_PRIVATE, 2, NULL(, .*)?\) <unfinished \.\.\.>`,
				`syscalls: #1 main \d+ futex\(0x[0-9a-f]+, FUTEX_WAKE_PRIVATE, 1(, .*)?\) = 1`,
				`syscalls: #1 worker \d+ <\.\.\. (futex )?resumed> = 0`)
			// As many as there were, and no more.
			b.Reset()
			for range 5 {
				p.call(0, "getppid")
			}
			if n := strings.Count(b.String(), "getppid() = "); n != 5 || strings.Count(b.String(), "\n") != 5 {
				t.Errorf("five calls are\n%s", b.String())
			}
		})
	}
}

// bootLogged boots a process on a System of its own, which writes a log.
func bootLogged(t *testing.T, arch loader.Arch, w io.Writer, topics string) *process {
	t.Helper()
	sys, err := OpenSystem(testroot.Dir(t, "debian:bookworm", arch.String()), arch)
	must(t, err)
	t.Cleanup(func() { _ = sys.Close() })
	l, err := logging.New(w, topics)
	must(t, err)
	sys.SetLog(l)
	m, err := New(Options{System: sys, Seed: 1})
	must(t, err)
	t.Cleanup(m.Close)
	return &process{Machine: m, t: t, fns: map[string]uint64{}}
}

// said checks that a log has lines, in this order.
func said(t *testing.T, log string, lines ...string) {
	t.Helper()
	for _, want := range lines {
		at := regexp.MustCompile(`(?m)^` + want + `$`).FindStringIndex(log)
		if at == nil {
			t.Errorf("no line, or not in its place: %s\n%s", want, log)
			return
		}
		log = log[at[1]:]
	}
}

// A log changes nothing of the run.
func TestLogChangesNothing(t *testing.T) {
	each(t, func(t *testing.T, p *process) {
		q := bootLogged(t, p.Arch(), &strings.Builder{}, "syscalls,boot,search")
		var digests []string
		for _, p := range []*process{p, q} {
			mark, err := p.Mark()
			if err != nil {
				t.Fatal(err)
			}
			defer mark.Drop()
			p.call(0, "puts", p.str("text"))
			p.call(0, "malloc", 200_000)
			d, err := p.Digest(0)
			if err != nil {
				t.Fatal(err)
			}
			digests = append(digests, d)
		}
		if digests[0] != digests[1] || p.Steps() != q.Steps() {
			t.Errorf("%v, %d and %d instructions", digests, p.Steps(), q.Steps())
		}
	})
}
