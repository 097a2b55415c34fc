package step

import (
	"bytes"
	"strconv"
	"strings"
	"testing"

	"emurace/internal/testrace"
	"emurace/internal/testsystem"
	"emurace/internal/words"
	"emurace/loader"
	"emurace/replay/lesson"
	"emurace/scripts"
)

// scene is the scenario article in the article's own order, told backwards.
func scene(t *testing.T, arch loader.Arch) *Model {
	t.Helper()
	l := newLab(t, arch, scripts.Get("article"))
	t.Cleanup(l.close)
	_, _, schedule, _ := testrace.Scene(t, testsystem.Of(t, "bookworm", arch))
	l.open(t, schedule)
	var err error
	l.story.Lesson, err = lesson.Backwards(l.line, l.story.Explanation, nil)
	must(t, err)
	return l.model(t)
}

// The lesson that begins with the crash, as text.
func TestBackwardsText(t *testing.T) {
	for _, arch := range testsystem.Arches() {
		m := scene(t, arch)
		var out bytes.Buffer
		must(t, WriteLesson(&out, m.lesson(), m.s.Names(), false))
		golden(t, "backwards-"+arch.String()+".txt", out.String())
	}
}

// Its cards on the screen, and the debugger from them: cards lie at the end of the run and
// before it, and m and M go through the run in its own order.
func TestBackwardsCards(t *testing.T) {
	m := scene(t, loader.ARM64)
	l := m.lesson()
	end := m.now.len
	resize(t, m, 120, 60)
	m.page, m.card = lessonPage, 0
	says(t, m, `lesson  the beginning`, `From the crash backwards: why main dies of SIGSEGV in getenv`)
	for i, x := range l.Moments {
		press(t, m, "enter")
		for _, c := range x.Ask {
			if !strings.Contains(screenText(t, m), "(gdb) "+c) {
				t.Errorf("card %d does not ask %q", i+1, c)
			}
		}
		press(t, m, "d")
		at(t, m, x.At)
		press(t, m, "L")
		m.card = i + 1
	}
	// An instruction has the number that everybody gives it.
	press(t, m, "d", "g")
	w := m.story.Explanation.Writer
	typed(t, m, strconv.FormatUint(w.Step-1, 10))
	says(t, m, `next  `+words.Grouped(w.Step)+` worker _int_free\+0x`)
	press(t, m, "home")
	who, first := l.Moments[len(l.Moments)-2].At, l.Moments[len(l.Moments)-1].At
	if first >= who || who >= end {
		t.Fatalf("the cards lie at %d, %d and %d", first, who, end)
	}
	for _, n := range []uint64{first, who, end} {
		press(t, m, "m")
		at(t, m, n)
	}
	for _, n := range []uint64{who, first, first} {
		press(t, m, "M")
		at(t, m, n)
	}
}
