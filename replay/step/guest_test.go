package step

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	tea "charm.land/bubbletea/v2"

	"emurace/emu"
	"emurace/heap"
	"emurace/internal/testrace"
	"emurace/internal/testsystem"
	"emurace/loader"
	"emurace/replay"
	"emurace/replay/lesson"
	"emurace/replay/timeline"
	"emurace/scenario"
)

var must = testrace.Must

// lab makes sessions of one recipe, and is a Bench for models of it.
type lab struct {
	sys    *emu.System
	start  replay.Starter
	recipe replay.Recipe
	spare  *scenario.Session
	tracer *replay.HeapTracer
	dir    string // where traces are saved

	line  *timeline.Timeline
	story Story
}

func newLab(t testing.TB, arch loader.Arch, sc *scenario.Scenario) *lab {
	t.Helper()
	sys := testsystem.Of(t, "bookworm", arch)
	values, err := sc.Settle(nil)
	must(t, err)
	l := &lab{sys: sys, recipe: replay.Recipe{Scenario: sc, Values: values, Arch: arch, Source: "debian:bookworm", Seed: 1}}
	l.start = testrace.Starter(sys, sc, values, l.recipe.Seed)
	l.spare, err = l.start(nil)
	must(t, err)
	l.tracer, err = replay.NewHeapTracer(l.start)
	must(t, err)
	return l
}

func (l *lab) close() {
	l.tracer.Close()
	l.spare.Close()
	if l.line != nil {
		l.line.Close()
		l.line.Session().Close()
	}
}

func (l *lab) session(t testing.TB) *scenario.Session {
	t.Helper()
	s, err := l.start(nil)
	must(t, err)
	t.Cleanup(s.Close)
	return s
}

func (l *lab) Heap(schedule scenario.Schedule) (*heap.History, error) {
	return l.tracer.Run(nil, schedule)
}

func (l *lab) Explain(schedule scenario.Schedule) (*replay.Explanation, error) {
	h, err := replay.NewHistory(l.spare, schedule)
	if err != nil {
		return nil, err
	}
	x, err := replay.Explain(h)
	if err != nil {
		return nil, err
	}
	heap, err := l.Heap(schedule)
	if err != nil {
		return nil, err
	}
	return x, x.AddHeap(h, heap)
}

func (l *lab) Save(schedule scenario.Schedule, name string) error {
	t, err := replay.Record(l.spare, l.recipe, schedule)
	if err != nil {
		return err
	}
	return t.Write(filepath.Join(l.dir, filepath.Base(name)))
}

// open makes a timeline of a run, and finds out what there is to know of it.
func (l *lab) open(t testing.TB, schedule scenario.Schedule) {
	t.Helper()
	s, err := l.start(nil)
	must(t, err)
	l.line, err = timeline.New(s, schedule)
	must(t, err)
	l.story.Explanation, err = l.Explain(schedule)
	must(t, err)
	l.story.Heap, err = l.Heap(schedule)
	must(t, err)
	if l.story.Lesson, err = lesson.New(l.line, l.story.Explanation, l.recipe.Scenario.Notes); err != nil && !errors.Is(err, lesson.ErrNothing) {
		t.Fatal(err)
	}
}

// model makes a debugger of the run, as it was recorded.
func (l *lab) model(t testing.TB) *Model {
	t.Helper()
	l.dir = t.TempDir()
	must(t, l.line.Reset())
	m, err := New(Options{Title: "a test", Line: l.line, Story: l.story, Bench: l, Notes: l.recipe.Scenario.Notes, SaveAs: "own.trace"})
	must(t, err)
	return m
}

// articles are the crash of the scenario that runs when none is named, by
// architecture. Finding and opening it takes longer than most tests of it.
var articles = map[loader.Arch]*lab{}

func TestMain(m *testing.M) {
	code := m.Run()
	for _, l := range articles {
		l.close()
	}
	os.Exit(code)
}

// article is a debugger at the end of the article's crash.
func article(t testing.TB, arch loader.Arch) (*Model, *lab) {
	t.Helper()
	l := articles[arch]
	if l == nil {
		sc, _ := testrace.Default(t)
		l = newLab(t, arch, sc)
		l.open(t, testrace.Crash(t, l.spare))
		articles[arch] = l
	}
	return l.model(t), l
}

// eachArch runs a test with the article's crash on both architectures; with
// -short only on the one where it was found.
func eachArch(t *testing.T, test func(t *testing.T, m *Model, l *lab)) {
	for _, arch := range testsystem.Arches() {
		t.Run(arch.String(), func(t *testing.T) {
			if testing.Short() && arch != loader.ARM64 {
				t.Skip("the other architecture takes as long again")
			}
			m, l := article(t, arch)
			test(t, m, l)
		})
	}
}

// special are the keys that are no character.
var special = map[string]tea.KeyPressMsg{
	"enter": {Code: tea.KeyEnter}, "esc": {Code: tea.KeyEscape}, "tab": {Code: tea.KeyTab}, "backspace": {Code: tea.KeyBackspace},
	"shift+tab": {Code: tea.KeyTab, Mod: tea.ModShift}, "home": {Code: tea.KeyHome}, "end": {Code: tea.KeyEnd},
	"up": {Code: tea.KeyUp}, "down": {Code: tea.KeyDown}, "left": {Code: tea.KeyLeft}, "right": {Code: tea.KeyRight},
	"pgup": {Code: tea.KeyPgUp}, "pgdown": {Code: tea.KeyPgDown}, "space": {Code: tea.KeySpace, Text: " "},
	"ctrl+c": {Code: 'c', Mod: tea.ModCtrl}, "ctrl+u": {Code: 'u', Mod: tea.ModCtrl}, "f1": {Code: tea.KeyF1},
}

// keyMessage is what bubbletea sends for a key.
func keyMessage(k string) tea.KeyPressMsg {
	if msg, ok := special[k]; ok {
		return msg
	}
	r := []rune(k)[0]
	return tea.KeyPressMsg{Code: r, Text: k}
}

// press sends keys, as a terminal would.
func press(t testing.TB, m *Model, keys ...string) {
	t.Helper()
	for _, k := range keys {
		if got := keyMessage(k).String(); got != k {
			t.Fatalf("the key %q arrives as %q", k, got)
		}
		next, _ := m.Update(keyMessage(k))
		if next != tea.Model(m) {
			t.Fatal("another model")
		}
		consistent(t, m)
	}
}

// typed sends a text, character by character, and enter.
func typed(t testing.TB, m *Model, text string) {
	t.Helper()
	for _, r := range text {
		if r == ' ' {
			press(t, m, "space")
			continue
		}
		press(t, m, string(r))
	}
	press(t, m, "enter")
}

// consistent is what holds after every message.
func consistent(t testing.TB, m *Model) {
	t.Helper()
	line := m.o.Line
	switch {
	case m.now.at != line.At() || m.now.len != line.Len() || m.now.at > m.now.len:
		t.Fatalf("moment %d of %d is shown at %d of %d", m.now.at, m.now.len, line.At(), line.Len())
	case m.s.Steps() != line.At():
		t.Fatalf("the session is at %d, not %d", m.s.Steps(), line.At())
	case m.picked < 0 || m.picked >= len(m.now.threads) || m.card < 0 || m.scroll < 0:
		t.Fatalf("thread %d, card %d, line %d", m.picked, m.card, m.scroll)
	case m.now.over && m.now.at != m.now.len:
		t.Fatalf("over at moment %d of %d", m.now.at, m.now.len)
	}
	for i, v := range m.now.views {
		if m.sel[i] != 0 && m.sel[i] >= len(v.rows) {
			t.Fatalf("row %d of %d in %s", m.sel[i], len(v.rows), v.name)
		}
	}
	if now := fmt.Sprint(slicesOf(line)); now != fmt.Sprint(m.slices) {
		t.Fatalf("slices %v are shown as %v", now, m.slices)
	}
}
