package testseed

import (
	"strings"
	"testing"

	"emurace/internal/thorough"
)

// watched is a test of which one can see what it logs and make it have failed.
type watched struct {
	testing.TB
	failed bool
	at     []func()
	logged []string
}

func (w *watched) Helper()                     {}
func (w *watched) Failed() bool                { return w.failed }
func (w *watched) Cleanup(f func())            { w.at = append(w.at, f) }
func (w *watched) Name() string                { return "TestWalk/arm64" }
func (w *watched) Logf(form string, as ...any) { w.logged = append(w.logged, as[0].(string)) }

func (w *watched) end() string {
	for _, f := range w.at {
		f()
	}
	return strings.Join(w.logged, "\n")
}

func TestOf(t *testing.T) {
	defer func(n uint64) { *given = n }(*given)
	*given = 0
	w := &watched{}
	if n := Of(w, 7); n != 7 || w.end() != "" {
		t.Errorf("the usual seed 7 is %d; of a test that passes: %q", n, w.logged)
	}
	drawn := map[uint64]bool{}
	for range 20 {
		n := Of(&watched{}, 0)
		if n == 0 || n >= 1<<32 {
			t.Errorf("%d is drawn", n)
		}
		drawn[n] = true
	}
	if len(drawn) < 15 {
		t.Errorf("only %d seeds of 20 draws", len(drawn))
	}
	*given = 12345
	t.Setenv(thorough.Variable, "")
	w = &watched{failed: true}
	n, again := Of(w, 7), "go test emurace/internal/testseed -run '^TestWalk$/^arm64$' -seed 12345"
	if got := w.end(); n != 12345 || got != again {
		t.Errorf("seed %d, %q, want %q", n, got, again)
	}
	if t.Setenv(thorough.Variable, "1"); thorough.On() {
		w = &watched{failed: true}
		Of(w, 7)
		if got, again := w.end(), "TEST_THOROUGH=1 "+again; got != again {
			t.Errorf("with all cases %q, want %q", got, again)
		}
	}
}
