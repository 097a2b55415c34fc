package lesson

import (
	"fmt"
	"strings"
	"testing"

	"emurace/internal/testrace"
	"emurace/internal/testsystem"
	"emurace/loader"
	"emurace/replay"
	"emurace/scenario"
)

// moved is what became of environ's array when the worker has set its variables.
type moved struct {
	freeing int    // instructions of _int_free
	freed   bool   // the array was given back
	end     uint64 // what is now where NULL ended it
}

// TestEven: what the lesson says of other numbers of entries, and docs of the scenario do. Of
// an array with an even number the first setenv has realloc move the array, and malloc's size
// comes over its NULL. Of one with an odd number it stays where it is, since the word more
// fits, and not one instruction of _int_free runs; the next setenv then finds an even one.
func TestEven(t *testing.T) {
	suites := []string{"bullseye", "bookworm"}
	if testing.Short() {
		suites = suites[1:]
	}
	for _, suite := range suites {
		for _, arch := range testsystem.Arches() {
			for entries := 64; entries <= 67; entries++ {
				for _, setenvs := range []int{1, 2} {
					name := fmt.Sprintf("%s/%v/%d entries, %d setenvs", suite, arch, entries, setenvs)
					t.Run(name, func(t *testing.T) { even(t, suite, arch, entries, setenvs) })
				}
			}
		}
	}
}

func even(t *testing.T, suite string, arch loader.Arch, entries, setenvs int) {
	t.Helper()
	got := setVariables(t, suite, arch, fmt.Sprintf("entries=%d", entries), fmt.Sprintf("setenvs=%d", setenvs))
	const address = 1 << 16 // sizes of chunks are less than that
	odd := entries%2 == 1
	if moves := !odd || setenvs == 2; got.freed != moves || (got.freeing > 0) != moves {
		t.Errorf("the array is freed: %v, in %d instructions of _int_free", got.freed, got.freeing)
	}
	switch size := uint64(entries+1)*8 + 8; {
	case odd && got.end < address:
		t.Errorf("%#x is where NULL ended the array, and not the first variable", got.end)
	case !odd && got.end != size:
		t.Errorf("%#x is where NULL ended the array, and not the chunk's size %#x", got.end, size)
	}
}

// setVariables runs the worker alone.
func setVariables(t *testing.T, suite string, arch loader.Arch, settings ...string) (m moved) {
	t.Helper()
	sc, values := testrace.Default(t, settings...)
	sys := testsystem.Of(t, suite, arch)
	sys.LoadDebug() // names what libc keeps to itself, as _int_free
	start := testrace.Starter(sys, sc, values, 1)
	schedule := scenario.Schedule{{Thread: 1}, {Thread: 0}}
	s, err := start(nil)
	must(t, err)
	defer s.Close()
	array, entries, ok := replay.Environ(s.Process())
	if !ok || fmt.Sprintf("entries=%d", entries) != settings[0] {
		t.Fatalf("%d entries at %#x", entries, array)
	}
	h, err := replay.NewHistory(s, schedule)
	must(t, err)
	for _, e := range h.In(replay.Window{From: 1, To: ^uint64(0), Thread: 1}) {
		if h.Locate(e.PC).Function == "_int_free" {
			m.freeing++
		}
	}
	must(t, h.SeekEnd())
	m.end, _ = s.Process().Read64(array + 8*uint64(entries))
	tracer, err := replay.NewHeapTracer(start)
	must(t, err)
	defer tracer.Close()
	blocks, err := tracer.Run(nil, schedule)
	must(t, err)
	seen := false
	for _, b := range blocks.Blocks() {
		if b.Addr != array {
			continue
		}
		seen = true
		// A block that realloc leaves where it is counts as freed and handed out anew.
		if b.Freed != nil && b.Freed.Result != b.Addr && strings.Contains(b.Freed.Call, "SSL_CERT") {
			m.freed = true
		}
	}
	if !seen {
		t.Error("malloc has not handed out environ's array")
	}
	return m
}
