package core

import (
	"fmt"
	"path/filepath"
	"testing"

	"emurace/internal/testrace"
	"emurace/loader"
	"emurace/replay/timeline"
)

// TestSeeing: a core of any moment of a run in which loads see what memory does not hold has the registers that the
// loads have left, and the memory that there is.
func TestSeeing(t *testing.T) {
	together(t, func(t *testing.T, arch loader.Arch) {
		sb := testrace.NewBuffering(arch)
		plan, err := sb.Scenario().Build(nil)
		must(t, err)
		s := start(t, arch, plan)
		line, err := timeline.New(s, sb.Schedule())
		must(t, err)
		defer line.Close()
		for _, n := range []timeline.Moment{4, 3} {
			must(t, line.Seek(n))
			p, err := Of(s, int(n%2))
			must(t, err)
			f, err := p.Save(filepath.Join(t.TempDir(), fmt.Sprintf("at%d.core", n)))
			must(t, err)
			loaded := "p/x $" + sb.Loaded()
			words := fmt.Sprintf("p/x {int [17]}%#x", sb.Words()[0])
			answers := gdb(t, s, f, loaded, words)
			if got := answers[loaded]; got != "$1 = 0x0\n" {
				t.Errorf("moment %d: %s is %q", n, loaded, got)
			}
			if got := answers[words]; got != "$2 = {0x1, 0x0 <repeats 15 times>, 0x1}\n" {
				t.Errorf("moment %d: memory is %q", n, got)
			}
		}
	})
}
