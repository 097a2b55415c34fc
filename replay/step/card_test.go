package step

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/charmbracelet/x/ansi"
	"github.com/google/go-cmp/cmp"

	"emurace/internal/testsystem"
)

var update = flag.Bool("update", false, "write the golden files anew")

// The lesson as plain text, as it is read by somebody who has not seen the crash.
func TestLessonText(t *testing.T) {
	for _, arch := range testsystem.Arches() {
		m, _ := article(t, arch)
		var out bytes.Buffer
		must(t, WriteLesson(&out, m.lesson(), m.s.Names(), false))
		for line := range strings.Lines(out.String()) {
			if line = strings.TrimSuffix(line, "\n"); ansi.StringWidth(line) > 80 || line != strings.TrimRight(line, " ") || strings.Contains(line, "\x1b") {
				t.Errorf("%v: %q", arch, line)
			}
		}
		golden(t, "lesson-"+arch.String()+".txt", out.String())
		var colored bytes.Buffer
		must(t, WriteLesson(&colored, m.lesson(), m.s.Names(), true))
		if !strings.Contains(colored.String(), "\x1b[") || ansi.Strip(colored.String()) != out.String() {
			t.Errorf("%v: with colours it is another text", arch)
		}
	}
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("..", "..", "testdata", "golden", "step", name)
	if *update {
		must(t, os.MkdirAll(filepath.Dir(file), 0o755))
		must(t, os.WriteFile(file, []byte(got), 0o644))
	}
	want, err := os.ReadFile(file)
	must(t, err)
	if d := cmp.Diff(string(want), got); d != "" {
		t.Errorf("%s (-want +got):\n%s\nIf the new text is right: go test ./replay/step -run %s -update", file, d, t.Name())
	}
}

// The cards, one after the other, with the debugger between any two.
func TestCards(t *testing.T) {
	eachArch(t, func(t *testing.T, m *Model, _ *lab) {
		l := m.lesson()
		m.page, m.card = lessonPage, 0
		resize(t, m, 120, 60)
		says(t, m, `lesson  the beginning`, `Why main dies of SIGSEGV in getenv`, `0x220 was never meant as an address`)
		for i, x := range l.Moments {
			press(t, m, "enter")
			says(t, m, regexp.QuoteMeta(x.Title))
			if m.card != i+1 {
				t.Fatalf("card %d, want %d", m.card, i+1)
			}
			shown := strings.Join(strings.Fields(screenText(t, m)), "")
			for _, text := range x.Long {
				if !strings.Contains(shown, strings.Join(strings.Fields(text), "")) {
					t.Errorf("card %d does not say %q", i+1, text)
				}
			}
			press(t, m, "d")
			at(t, m, x.At)
			if m.page != debugger {
				t.Fatal("d stays in the lesson")
			}
			press(t, m, "L")
			// Of moments at the same instruction it is the last.
			if m.page != lessonPage || l.Moments[m.card-1].At != x.At {
				t.Fatalf("back at card %d from %d", m.card, i+1)
			}
			m.card = i + 1
		}
		press(t, m, "enter")
		says(t, m, `lesson  the end`, `What else there is to know`, `What avoids it`, `What to try next`)
		press(t, m, "enter")
		if m.card != len(l.Moments)+1 {
			t.Errorf("behind the last card is %d", m.card)
		}
		for range len(l.Moments) + 3 {
			press(t, m, "backspace")
		}
		if m.card != 0 {
			t.Errorf("before the first card is %d", m.card)
		}
		press(t, m, "d")
		at(t, m, 0)

		// The write's card has the word before and after.
		press(t, m, "L")
		for l.Moments[max(m.card, 1)-1].Title != "worker writes 0x220" {
			press(t, m, "enter")
		}
		says(t, m, `>\* 0x[0-9a-f]+  word 66 +0x0 → 0x220 +the size of the free chunk`, `\* changes here`)

		// On a small screen space goes through all of a card, then to the next one.
		resize(t, m, 60, 16)
		card, seen := m.card, ""
		for m.card == card {
			seen += screenText(t, m)
			press(t, m, "space")
		}
		if !strings.Contains(seen, "word 66") || !strings.Contains(seen, "an even number of entries") || m.card != card+1 {
			t.Errorf("card %d, then %d:\n%s", card, m.card, seen)
		}
		press(t, m, "q")
		if !m.quitting {
			t.Error("q does not quit")
		}
	})
}
