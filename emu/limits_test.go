package emu

import (
	"context"
	"errors"
	"strings"
	"testing"

	"emurace/internal/guestcode"
	"emurace/loader"
)

// greedy takes of each thing without end.
const greedy = `
extern void *mmap(void *, unsigned long, int, int, int, long);
extern int mprotect(void *, unsigned long, int);
extern long write(int, const void *, unsigned long);
extern long read(int, void *, unsigned long);
extern int open(const char *, int, ...);
static char text[4096];
void memory(void) {
	for (;;) {
		char *p = mmap(0, 1ul << 24, 3, 0x22, -1, 0);
		for (unsigned long i = 0; i < 1ul << 24; i += 4096) p[i] = 1;
	}
}
void large_writes(void) { for (;;) write(1, text, sizeof text); }
void small_writes(void) { for (;;) write(2, "x", 1); }
void mappings(void) {
	char *p = mmap(0, 1ul << 30, 3, 0x22, -1, 0);
	for (unsigned long i = 0;; i += 2) mprotect(p + i * 4096, 4096, 1);
}
void accesses(void) {
	char *p = mmap(0, 1ul << 26, 3, 0x22, -1, 0);
	for (;;) { int fd = open("/big", 0); while (read(fd, p, 1 << 22) > 0) ; }
}
void instructions(void) { for (;;) ; }
`

// TestLimitInRace: a run ends where it comes to a limit, which is no error and no end that a
// process has elsewhere, and at the same instruction with the same state when it is run again.
func TestLimitInRace(t *testing.T) {
	each(t, func(t *testing.T, p *process) {
		library := guestcode.Library(t, p.Arch(), "libgreedy.so.1", greedy)
		p = bootWith(t, "bookworm", p.Arch(), Options{
			Libs: []string{"/opt/greedy.so"}, Memory: 64 << 20,
			Files: map[string][]byte{"/opt/greedy.so": library, "/big": make([]byte, 8<<20)},
		})
		for name, want := range map[string]Limit{
			"memory": MemoryLimit, "large_writes": OutputLimit, "small_writes": OutputLimit, "mappings": MappingLimit, "accesses": LogLimit,
		} {
			if testing.Short() && (name == "accesses" || name == "mappings") {
				continue
			}
			mark := p.mark()
			p.begin(0, name)
			var steps []uint64
			var digests []string
			for _, slice := range []uint64{1 << 30, 100_003} {
				s := p.run(0, slice)
				for s.Kind == Budget {
					s = p.run(0, slice)
				}
				if s.Kind != Ended || s.End.Kind != EndLimit || s.End.Limit != want || s.End.Thread != 0 {
					t.Fatalf("%s: %+v, %v", name, s, s.End)
				}
				if text := s.String(); text != p.End().String() || !strings.HasPrefix(text, "stopped at "+want.String()) {
					t.Errorf("%s: %s", name, text)
				}
				if p.Runnable(0) {
					t.Errorf("%s: it goes on", name)
				}
				d, err := p.Digest(mark.LogLen())
				if err != nil {
					t.Fatal(err)
				}
				steps, digests = append(steps, p.Steps()), append(digests, d)
				p.rewind(mark)
				p.begin(0, name)
			}
			if steps[0] != steps[1] || digests[0] != digests[1] {
				t.Errorf("%s: it ends after %d steps", name, steps)
			}
			p.rewind(mark)
			mark.Drop()
			if v := p.call(0, "strlen", p.str("four")); v != 4 {
				t.Errorf("%s: and then strlen returns %d", name, v)
			}
		}
	})
}

// TestLimitInBoot: the same in a constructor, and in calls that are run to their ends.
func TestLimitInBoot(t *testing.T) {
	for name, want := range map[string]Limit{
		"memory": MemoryLimit, "large_writes": OutputLimit, "small_writes": OutputLimit, "mappings": MappingLimit, "instructions": BootLimit,
	} {
		if testing.Short() && (name == "instructions" || name == "mappings") {
			continue
		}
		arch := loader.AMD64
		file := func(more string) map[string][]byte {
			return map[string][]byte{"/opt/greedy.so": guestcode.Library(t, arch, "", greedy+more)}
		}
		o := Options{System: system(t, "bookworm", arch), Seed: 1, Libs: []string{"/opt/greedy.so"}, Memory: 64 << 20}
		o.Files = file("__attribute__((constructor)) static void begin(void) { " + name + "(); }")
		_, err := New(o)
		var reached *LimitError
		if !errors.As(err, &reached) || reached.Limit != want || reached.Call != "" || !strings.Contains(err.Error(), "as it boots") {
			t.Errorf("%s: %v", name, err)
		}
		if name == "instructions" {
			continue
		}
		o.Files = file("")
		p := bootWith(t, "bookworm", arch, o)
		if _, err := p.Call(0, p.fn(name), name+"()"); !errors.As(err, &reached) || reached.Limit != want || reached.Call != name+"()" {
			t.Errorf("%s: %v", name, err)
		}
	}
	o := Options{System: system(t, "bookworm", loader.AMD64), Memory: 1 << 14}
	var reached *LimitError
	if _, err := New(o); !errors.As(err, &reached) || reached.Limit != MemoryLimit {
		t.Errorf("of 16 KiB: %v", err)
	}
}

// TestInterrupt: a boot and a run that would go on for long end with the error that is given
// to them, and after a rewind it is as if nothing had been.
func TestInterrupt(t *testing.T) {
	arch := loader.AMD64
	sys, err := OpenSystem(system(t, "bookworm", arch).Root.Dir(), arch)
	if err != nil {
		t.Fatal(err)
	}
	defer sys.Close()
	spins := guestcode.Library(t, arch, "", greedy+"__attribute__((constructor)) static void begin(void) { instructions(); }")
	asked := 0
	sys.Interrupt(func() error {
		if asked++; asked < 3 {
			return nil
		}
		return context.Canceled
	})
	o := Options{System: sys, Libs: []string{"/opt/greedy.so"}, Files: map[string][]byte{"/opt/greedy.so": spins}}
	if _, err := New(o); !errors.Is(err, context.Canceled) || asked != 3 {
		t.Errorf("asked %d times: %v", asked, err)
	}
	sys.Interrupt(nil)
	o.Files["/opt/greedy.so"] = guestcode.Library(t, arch, "", greedy)
	m, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	p := &process{Machine: m, t: t, fns: map[string]uint64{}}
	mark := p.mark()
	sys.Interrupt(func() error { return context.Canceled })
	p.begin(0, "small_writes")
	if s, err := p.Run(0, 1<<40); !errors.Is(err, context.Canceled) {
		t.Errorf("%v, %v", s, err)
	}
	p.rewind(mark)
	if v := p.call(0, "strlen", p.str("four")); v != 4 {
		t.Errorf("strlen returns %d", v)
	}
}

// Limits have texts of their own.
func TestLimitTexts(t *testing.T) {
	seen := map[string]bool{}
	for _, l := range []Limit{MemoryLimit, OutputLimit, MappingLimit, LogLimit, BootLimit} {
		if text := l.String(); seen[text] || !strings.HasPrefix(text, "the limit of ") || !strings.HasSuffix(string(l), "-limit") {
			t.Errorf("%q is %q", string(l), text)
		}
		seen[l.String()] = true
	}
}

// TestMissingBounded: unknown calls from ever other places are told apart only so far.
func TestMissingBounded(t *testing.T) {
	each(t, func(t *testing.T, p *process) {
		for pc := range uint64(maxMissing + 10) {
			p.missed("nowhere", 0, pc)
		}
		if all, now := p.unknownCalls(), p.Missed(); len(all) != maxMissing || len(now) != maxMissed || now[0].PC != 0 {
			t.Errorf("%d and %d", len(all), len(now))
		}
	})
}
