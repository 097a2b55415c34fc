package step

import (
	"bytes"
	"strings"
	"testing"

	"github.com/charmbracelet/x/ansi"

	"emurace/internal/testrace"
	"emurace/internal/testsystem"
	"emurace/loader"
	"emurace/scenario"
)

// TestSeeing: going through a run in which loads see what memory does not hold, forwards and backwards, shows what
// they see, and what is saved of one's own is that run up to where it was left.
func TestSeeing(t *testing.T) {
	testsystem.EachArch(t, func(t *testing.T, arch loader.Arch) {
		sb := testrace.NewBuffering(arch)
		l := newLab(t, arch, sb.Scenario())
		defer l.close()
		l.open(t, sb.Schedule())
		m := l.model(t)
		load := func(m *Model, way string) {
			t.Helper()
			at(t, m, 4)
			d := m.effect(3, m.now, true)
			if d == nil || len(d.memory) != 1 || !strings.HasSuffix(d.memory[0].text, "-> 0x0, memory holds 0x1") || len(d.regs) != 1 || !strings.HasSuffix(d.regs[0], "= 0x0") {
				t.Errorf("%s: the load is shown as %+v", way, d)
			}
		}
		press(t, m, "home", "s", "s", "s")
		if d := m.effect(3, m.now, false); d == nil || len(d.memory) != 1 || !strings.HasSuffix(d.memory[0].text, "-> 0x0, memory holds 0x1") {
			t.Errorf("the load to come is shown as %+v", d)
		}
		press(t, m, "s")
		load(m, "forwards")
		press(t, m, "end", "S", "S")
		load(m, "backwards")
		press(t, m, "end")
		if !m.now.over || !m.now.outcome.Failed() {
			t.Errorf("the end: %+v", m.now.outcome)
		}
		// On by oneself from behind worker's load: that stays as it was.
		press(t, m, "home", "s", "s", "s", "x", "2", "1", "o")
		own := m.o.Line.Schedule()
		if o, over := m.o.Line.Outcome(); !over || o.Failed() || !own.Odd() {
			t.Errorf("of one's own: %v, %v", o, own)
		}
		s := l.session(t)
		must(t, s.Play(own))
		if o, over := s.Outcome(); !over || o.Kind != scenario.OK || uint32(s.Results(1)[0]) != 0 || uint32(s.Results(0)[0]) != 1 {
			t.Errorf("its schedule ends with %v, %v, %v", o, s.Results(0), s.Results(1))
		}
		// The lesson says what was seen, in lines that a terminal has room for.
		var out bytes.Buffer
		must(t, WriteLesson(&out, l.story.Lesson, l.spare.Names(), false))
		for line := range strings.Lines(out.String()) {
			if ansi.StringWidth(strings.TrimSuffix(line, "\n")) > 80 {
				t.Errorf("too long: %q", line)
			}
		}
		if text := out.String(); !strings.Contains(text, "worker reads an older value") || !strings.Contains(text, "\nfr  3 → 1\n") {
			t.Errorf("the lesson:\n%s", text)
		}
	})
}
