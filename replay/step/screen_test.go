package step

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"

	"emurace/internal/testrace"
	"emurace/internal/testsystem"
	"emurace/loader"
	"emurace/replay/timeline"
	"emurace/scenario"
)

var sizes = [][2]int{{80, 24}, {120, 40}, {200, 60}, {64, 18}, {40, 10}, {30, 8}, {20, 5}, {1, 1}, {0, 0}, {300, 4}, {12, 100}}

func resize(t testing.TB, m *Model, w, h int) {
	t.Helper()
	m.Update(tea.WindowSizeMsg{Width: w, Height: h})
	consistent(t, m)
}

// styling is what a screen may hold besides its text.
var styling = regexp.MustCompile("\x1b\\[[0-9;]*m")

// screenText is the screen without colours. It has as many lines as the terminal,
// none longer than that is wide, and nothing that would move the cursor.
func screenText(t testing.TB, m *Model) string {
	t.Helper()
	screen := m.View().Content
	if styling.ReplaceAllString(screen, "") != ansi.Strip(screen) {
		t.Fatalf("escape sequences other than colours: %q", screen)
	}
	text := ansi.Strip(screen)
	lines := strings.Split(text, "\n")
	if len(lines) > max(m.height, 1) {
		t.Fatalf("%d lines on a screen of %dx%d", len(lines), m.width, m.height)
	}
	for _, l := range lines {
		if w := ansi.StringWidth(l); w > m.width {
			t.Fatalf("a line of %d columns on a screen of %dx%d: %q", w, m.width, m.height, l)
		}
		if strings.ContainsFunc(l, unicode.IsControl) {
			t.Fatalf("a control character: %q", l)
		}
	}
	return text
}

// says checks that each pattern is on the screen.
func says(t *testing.T, m *Model, patterns ...string) {
	t.Helper()
	text := screenText(t, m)
	for _, p := range patterns {
		if !regexp.MustCompile(p).MatchString(text) {
			t.Errorf("no match of %s on\n%s", p, text)
		}
	}
}

// Every page at every size keeps to its size, wherever one is.
func TestSizes(t *testing.T) {
	eachArch(t, func(t *testing.T, m *Model, _ *lab) {
		for _, keys := range [][]string{{"end"}, {"M"}, {"M", "M"}, {"home"}, {"z"}, {"tab"}, {"tab"}, {"v"}, {"v"}, {"v"}, {"z", "?"}, {"down"}, {"q", "i"}, {"q", "L"}, {"home"}, {"end"}, {"esc", "/"}, {"a"}, {"esc"}} {
			press(t, m, keys...)
			for _, size := range sizes {
				resize(t, m, size[0], size[1])
				screenText(t, m)
			}
			resize(t, m, 80, 24)
		}
	})
}

// The screen at the crash has what there is to see of it, at every size from 80x24.
func TestCrashScreen(t *testing.T) {
	for _, arch := range testsystem.Arches() {
		m, _ := article(t, arch)
		for _, size := range sizes[:3] {
			resize(t, m, size[0], size[1])
			says(t, m, `▶ 1 main: failed`, `2 worker`, `getenv\("LANGUAGE"\)`, `getenv\+0x[0-9a-f]+ getenv\.c:\d+`, `✗> \+0x`,
				`end   Main dies of SIGSEGV in getenv`, `0x220, and`, `word 66 +0x220`, `moment [\d,]+ of [\d,]+`, `(?m)^main .*█✗`, `(?m)^worker .*█`)
			reg := m.story.Explanation.Register
			says(t, m, `(?m)\b`+reg+` +0x220\b`)
			if arch == loader.ARM64 {
				says(t, m, `✗> \+0x94 +ldrh w2, \[x19\]`, `x19  0x220`)
			}
		}
		// Before the write the word is NULL and behind it the size, which is marked.
		resize(t, m, 120, 40)
		for m.now.at+1 != m.story.Explanation.Writer.Step {
			press(t, m, "M")
		}
		says(t, m, `word 66 +\*?0x0 `, `next  [\d,]+ worker _int_free\+0x`, `<- 0x220 \(was 0x0\)`, `why   \d/8 worker writes 0x220`)
		press(t, m, "s")
		says(t, m, `word 66 +\*0x220 `, `just  [\d,]+ worker _int_free\+0x`, `step → `, `gdb: stepi`, `\d/8 just now: worker writes 0x220`)
	}
}

// TestSourceText: where the source is there, its line stands under the thread's place; it may be
// anybody's text.
func TestSourceText(t *testing.T) {
	m, _ := article(t, loader.ARM64)
	m.o.Source = func(file string, line int) string {
		if strings.HasSuffix(file, "/getenv.c") {
			return fmt.Sprintf("line %d of \x1b[2Jit", line)
		}
		return ""
	}
	press(t, m, "home", "end")
	resize(t, m, 120, 40)
	says(t, m, `(?m)^getenv\.c:(\d+)  line (\d+) of \?\[2Jit`)
	if text := screenText(t, m); strings.Contains(text, "malloc.c:4688  ") || strings.Contains(text, "\x1b[2J") {
		t.Errorf("%s", text)
	}
	resize(t, m, 80, 24) // and where there is little room it is left out before code is
	says(t, m, `✗> \+0x94`)
}

// The views of memory show environ and its strings, malloc's chunks, the stack.
func TestViews(t *testing.T) {
	m, _ := article(t, loader.ARM64)
	resize(t, m, 120, 60)
	press(t, m, "home", "v")
	if m.view != environView {
		t.Fatalf("view %d", m.view)
	}
	says(t, m, `environ = 0x[0-9a-f]+, 66 entries`, `\[0\] +0x[0-9a-f]+ .* "GLIBC_TUNABLES`)
	for range 7 {
		press(t, m, "pgdown")
	}
	says(t, m, `\[65\] +0x[0-9a-f]+ .*"EMURACE_LAST=1"`, `\[66\] +0x0 +NULL`)
	press(t, m, "v", "z")
	says(t, m, `the block +0x221 .*in use: 536 bytes, main in realloc of setenv\("EMURACE_LAST"`, `chunk +\*?0x[0-9a-f]+ +top: what is left`)
	press(t, m, "end")
	says(t, m, `the block +0x221 .*free: freed by worker in realloc of setenv\("SSL_CERT_FILE"`)
	press(t, m, "v")
	says(t, m, `stack of main from 0x[0-9a-f]+`, `sp\+0x8 `)
	press(t, m, "v")
	says(t, m, `say which with :x ADDRESS`)
	press(t, m, "v")
	if m.view != blockView {
		t.Fatalf("view %d", m.view)
	}
	// A register that points into the block is beside its word.
	says(t, m, `word 66 .* ◀ x20`)
}

// The help has every key that does something; the hint of free stepping is another.
func TestHelp(t *testing.T) {
	m, _ := article(t, loader.ARM64)
	resize(t, m, 120, 60)
	press(t, m, "?")
	text := screenText(t, m)
	for _, b := range bindings {
		if b.group != "" && !strings.Contains(text, b.keys.Help().Desc) {
			t.Errorf("the help lacks %s: %s", b.keys.Help().Key, b.keys.Help().Desc)
		}
	}
	press(t, m, "f1", "i")
	says(t, m, `worker had written 0x220 there last`, `none; b and w set them`, `instructions 1 to [\d,]+: main`)
	press(t, m, "f1", "S", "x")
	says(t, m, `FREE `, `1 main \(can run\), 2 worker`)
	press(t, m, "e")
	if !m.said.bad {
		t.Errorf("a key that does nothing: %+v", m.said)
	}
	if _, cmd := m.Update(keyMessage("q")); cmd == nil {
		t.Error("q does not quit")
	}
}

// What the guest has in its memory, and what a scenario is named, cannot harm the
// terminal or the form of the screen.
func TestHostile(t *testing.T) {
	hostile := "A\x1b[2J\x1b]0;title\a\r\n\t\x00B=\u202e\u200d\u0301\ufe0f\xff\xfe🇩🇪👩‍👩‍👦"
	for _, r := range clean(hostile) {
		if unicode.IsControl(r) || !unicode.IsPrint(r) {
			t.Errorf("%q is left of it", r)
		}
	}
	sc := &scenario.Scenario{Name: "hostile", Build: func(scenario.Values) (*scenario.Plan, error) {
		calls := scenario.Calls{{Func: "strlen", Args: []scenario.Arg{scenario.Str(strings.ReplaceAll(hostile, "\x00", ""))}}}
		plan := &scenario.Plan{Env: []string{strings.ReplaceAll(hostile, "\x00", "")}}
		for _, name := range []string{scenario.Main, "主线程", "👩‍", strings.Repeat("w", 100), "e\u0301", "five", "six"} {
			if strings.ContainsRune(name, '\u200d') {
				name = "👩"
			}
			plan.Threads = append(plan.Threads, scenario.Thread{Name: name, Body: calls})
		}
		return plan, nil
	}}
	l := newLab(t, loader.AMD64, sc)
	var schedule scenario.Schedule
	for i := range 7 {
		schedule = append(schedule, scenario.Slice{Thread: i})
	}
	t.Cleanup(l.close)
	l.open(t, schedule)
	m := l.model(t)
	m.o.Title = hostile
	says(t, m, `end   Nothing failed`)
	press(t, m, ":")
	m.Update(tea.PasteMsg{Content: hostile + strings.Repeat("x", 1000)})
	screenText(t, m)
	press(t, m, "enter", "home", "L")
	if !m.said.bad {
		t.Error("a run that passed has a lesson")
	}
	for _, keys := range [][]string{{"v"}, {"v"}, {"z"}, {"z", "t"}, {"t"}, {"t"}, {"right"}, {"tab", "right"}, {"x", "7"}, {"i"}} {
		press(t, m, keys...)
		for _, size := range sizes {
			resize(t, m, size[0], size[1])
			screenText(t, m)
		}
	}
}

// The row of each thread on the timeline is full exactly where it runs.
func TestTimeline(t *testing.T) {
	m, _ := article(t, loader.ARM64)
	const columns = 200
	var rows [][]rune
	for i := range m.now.threads {
		rows = append(rows, m.cells(i, columns))
	}
	line := m.o.Line
	for c := range columns - 1 {
		ran := map[int]uint64{}
		for n := timeline.Moment(0); n < line.Len(); n++ {
			if column(n, line.Len(), columns) == c {
				ran[line.Thread(n)]++
			}
		}
		for i, row := range rows {
			if (row[c] != ' ') != (ran[i] > 0) || row[c] == '█' && 2*ran[i] < ran[0]+ran[1] {
				t.Fatalf("column %d of thread %d is %q, it ran %v", c, i, row[c], ran)
			}
		}
	}
	if got := string(rows[0][columns-1]); got != "✗" {
		t.Errorf("main's row ends with %s", got)
	}
}

// Random keys and sizes never break anything. EMURACE_TEST_SEED draws others.
func TestRandomKeys(t *testing.T) {
	eachArch(t, func(t *testing.T, m *Model, _ *lab) {
		r := testrace.Randomness(t)
		var keys []string
		for _, b := range bindings {
			keys = append(keys, b.keys.Keys()...)
		}
		keys = slices.DeleteFunc(keys, func(k string) bool { return strings.Contains(k, " ") && k != " " || strings.Contains(k, "..") })
		// Those that open a prompt or leave a page are needed more often, to get out.
		keys = append(keys, "enter", "enter", "enter", "esc", "esc", "1", "2", "3", "!", "@", "d", "space", "backspace", "ctrl+u", "0", "x", "g", "f1", "é")
		rounds := 1200
		if testing.Short() {
			rounds = 200
		}
		var done []string
		t.Cleanup(func() {
			if t.Failed() {
				t.Logf("the last keys: %q", done[max(0, len(done)-40):])
			}
		})
		for i := range rounds {
			k := keys[r.IntN(len(keys))]
			done = append(done, k)
			press(t, m, k)
			if i%3 == 0 {
				if r.IntN(4) == 0 {
					done = append(done, "resize")
					resize(t, m, r.IntN(250), r.IntN(80))
				}
				screenText(t, m)
			}
			m.quitting = false
		}
		// And all of that can be taken back.
		for m.prompt != nil || m.page != debugger {
			press(t, m, "esc")
		}
		if m.free || m.left {
			press(t, m, "r")
		}
		if fmt.Sprint(m.o.Line.Schedule()) != fmt.Sprint(m.recorded) {
			t.Errorf("the record has become %v", m.o.Line.Schedule())
		}
	})
}
