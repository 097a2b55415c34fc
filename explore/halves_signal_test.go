package explore

import (
	"encoding/binary"
	"slices"
	"testing"

	"emurace/emu"
	"emurace/internal/guestcode"
	"emurace/loader"
	"emurace/scenario"
)

// interrupted is a program whose main thread gets a signal from another one.
const interrupted = `
#include <pthread.h>
#include <signal.h>
long words[2] __attribute__((aligned(16)));
static volatile long seen, handled;
void handler(int sig) { handled = seen + sig; }
static pthread_t first;
static void *sends(void *p) { words[1] = 7; pthread_kill(first, SIGUSR1); return p; }
__attribute__((noinline)) long divided(void) {
	long a = 0, b = 0;
#ifdef __aarch64__
	asm volatile("ldp %0, %1, [%2]" : "=&r"(a), "=&r"(b) : "r"(words) : "memory");
#else
	asm volatile("xaddq %1, %0" : "+m"(words[1]), "+r"(b) : : "cc", "memory");
#endif
	return a + b;
}
int main(void) {
	pthread_t t;
	signal(SIGUSR1, handler);
	first = pthread_self();
	pthread_create(&t, 0, sends, 0);
	seen = divided();
	pthread_join(t, 0);
	return 0;
}
`

// A signal that comes while an instruction is in its middle finds it done: its rest comes
// before the handler. Until then the thread stands at it.
func TestHalvesAndSignals(t *testing.T) {
	eachArch(t, func(t *testing.T, sys *emu.System) {
		file, err := guestcode.Compile(sys.Arch, "interrupted.c", interrupted, "-O1")
		must(t, err)
		s, err := scenario.Start(sys, &scenario.Plan{
			Files: map[string][]byte{"/program": file}, Threads: []scenario.Thread{{Name: scenario.Main, Body: scenario.Calls(nil)}},
			Endings: []scenario.Ending{{Kind: scenario.Exit}}, Timeouts: scenario.WhenIdle,
			Program: &scenario.Program{Path: "/program", Argv: []string{"interrupted"}},
		}, 1)
		must(t, err)
		defer s.Close()
		p := s.Process()
		in := func() string {
			pc, err := p.PC(s.MachineThread(0))
			must(t, err)
			if m, ok := p.Module(pc); ok {
				sym, _, _ := m.Image.SymbolAt(pc - m.Base)
				return sym.Name
			}
			return ""
		}
		must(t, s.SetMade([]string{"main.1"}))
		for !s.Holds(0) || in() != "divided" {
			n, err := s.RunSlice(scenario.Slice{Thread: 0, N: 1, Half: true})
			if must(t, err); n == 0 {
				t.Fatal("main has come to its end without a divided instruction")
			}
		}
		at, rest := p.Held(s.MachineThread(0))
		_, err = s.Run(1, 0)
		must(t, err)
		stands := func() (list []uint64) {
			pc, err := p.PC(s.MachineThread(0))
			must(t, err)
			regs, err := p.Registers(s.MachineThread(0))
			must(t, err)
			for _, r := range regs {
				if r.Name == p.PCName() {
					list = append(list, binary.LittleEndian.Uint64(r.Value))
				}
			}
			return append(list, pc)
		}
		if now := stands(); !slices.Equal(now, []uint64{at, at}) || len(rest) != 1 || !s.Holds(0) {
			t.Fatalf("behind the signal main stands at %#x and holds %+v of %#x", now, rest, at)
		}
		if n, err := s.Run(0, 1); err != nil || n != 1 || s.Holds(0) || in() != "divided" || stands()[0] == at {
			t.Fatalf("the rest: %d instructions, %v; main is in %s", n, err, in())
		}
		word, _ := p.Read(rest[0].Addr, 8)
		value := binary.LittleEndian.Uint64(word) // the late write of what was read before, or a late read
		if sys.Arch == loader.ARM64 {
			value, _ = p.Register(s.MachineThread(0), rest[0].Register)
		}
		if want := map[loader.Arch]uint64{loader.ARM64: 7, loader.AMD64: 0}[sys.Arch]; value != want {
			t.Errorf("it comes to %d, want %d", value, want)
		}
		if _, err = s.Run(0, 1); err != nil || in() != "handler" {
			t.Errorf("main is in %s: %v", in(), err)
		}
		_, err = s.Run(0, 0)
		must(t, err)
		if o, over := s.Outcome(); !over || o.Failed() {
			t.Errorf("%+v", o)
		}
	})
}
