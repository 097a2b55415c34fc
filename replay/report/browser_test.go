package report

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"emurace/internal/testrace"
	"emurace/loader"
	"emurace/replay"
	"emurace/replay/lesson"
)

// TestBrowser opens the page of the article's crash in a real browser and does with
// it what a reader does.
func TestBrowser(t *testing.T) {
	in := article(t, loader.ARM64)
	file := filepath.Join(t.TempDir(), "crash.html")
	page := write(t, in)
	must(t, os.WriteFile(file, []byte(page), 0o644))
	b := startBrowser(t)
	b.screen(1280, 900, "light")
	b.open(file)
	quiet := func() {
		t.Helper()
		for _, c := range b.complaints(file) {
			t.Errorf("the page complains: %s", c)
		}
	}
	quiet()

	load := lessonMoment(t, in.Lesson, replay.FactLoaded)
	x19 := func() string {
		t.Helper()
		return b.text(`[...document.querySelectorAll('.lane.thread-0 .regs > div')].find((d) => d.querySelector('dt').textContent === 'x19').querySelector('dd span').textContent`)
	}
	slide := func(n uint64) {
		t.Helper()
		b.eval(nil, fmt.Sprintf(`{ const s = document.getElementById('slider'); s.value = '%d'; s.dispatchEvent(new Event('input', { bubbles: true })); }`, n))
	}
	at := func() string { t.Helper(); return b.text(`document.getElementById('slider').value`) }
	is := func(want uint64, why string) {
		t.Helper()
		if got := at(); got != fmt.Sprint(want) {
			t.Errorf("%s: at moment %s, want %d", why, got, want)
		}
	}

	t.Run("slider", func(t *testing.T) {
		is(in.Line.Len(), "a page begins at the end")
		slide(load.At)
		if got := x19(); got == "0x220" || !strings.HasPrefix(got, "0x") {
			t.Errorf("before the load x19 is %s", got)
		}
		slide(load.After)
		if got := x19(); got != "0x220" {
			t.Errorf("after the load x19 is %s", got)
		}
		marked := b.text(`[...document.querySelectorAll('.lane.thread-0 .regs .changed dt')].map((e) => e.textContent).join()`)
		if marked != "x19,x20,pc" {
			t.Errorf("the load changed %s", marked)
		}
		if got := b.text(`document.querySelector('.lane.thread-0 .did').textContent`); !strings.Contains(got, "read 0x220 from") {
			t.Errorf("main did: %s", got)
		}
		focus := b.text(`document.querySelector('#memory .focus').innerText`)
		if !strings.Contains(focus, "0x220") || !strings.Contains(focus, "← main x20") {
			t.Errorf("the word: %q", focus)
		}
		// Backwards it is what it was, wherever one comes from.
		slide(0)
		start := b.text(`document.getElementById('live').innerText`)
		slide(in.Line.Len())
		slide(load.At)
		slide(0)
		if again := b.text(`document.getElementById('live').innerText`); again != start {
			t.Errorf("moment 0 is another after some way:\n%s\nwas\n%s", again, start)
		}
		if strings.Contains(b.text(`document.querySelector('#memory .focus').innerText`), "0x220") {
			t.Error("0x220 is there from the start")
		}
	})

	t.Run("any moment", func(t *testing.T) { followed(t, b, runOf(t, page)) })

	t.Run("keys", func(t *testing.T) {
		b.eval(nil, `document.activeElement.blur()`)
		b.press("Home")
		is(0, "Home")
		for _, k := range []string{"n", "s", "ArrowRight"} {
			b.press(k)
		}
		is(3, "three steps")
		for _, k := range []string{"p", "S"} {
			b.press(k)
		}
		is(1, "two back")
		b.press("ArrowLeft")
		b.press("ArrowLeft")
		is(0, "not before the start")
		b.press("t")
		is(uint64(in.Explanation.Schedule[0].N), "the switch")
		b.press("T")
		is(uint64(in.Explanation.Schedule[0].N), "there is none before it")
		b.press("End")
		is(in.Line.Len(), "End")
		b.press("n")
		is(in.Line.Len(), "not behind the end")
		b.press("k")
		b.press("k")
		is(load.At, "the load, two moments of the lesson back")
		b.press("j")
		is(load.After, "and behind it")
		b.press("?")
		if b.text(`document.getElementById('help').open`) != "true" {
			t.Error("? shows no help")
		}
		b.press("n")
		is(load.After, "keys do nothing behind the help")
		b.press("Escape")
		if b.text(`document.getElementById('help').open`) != "false" {
			t.Error("Escape does not close the help")
		}
		b.eval(nil, `document.getElementById('slider').focus()`)
		b.press("ArrowRight")
		b.press("n")
		is(load.After+1, "the slider takes its own arrows") // the end
		b.press("Home")
		is(0, "and Home")
	})

	t.Run("buttons", func(t *testing.T) {
		written := lessonMoment(t, in.Lesson, replay.FactWritten)
		b.eval(nil, fmt.Sprintf(`document.querySelector('.go[data-moment="%d"]').click()`, written.At))
		is(written.At, "go there")
		b.eval(nil, `document.querySelector('[data-go=step]').click()`)
		focus := b.text(`document.querySelector('#memory .focus').innerText`)
		if !strings.Contains(focus, "0x220") || !strings.Contains(focus, "just changed") {
			t.Errorf("after the write: %q", focus)
		}
		if here := b.text(`document.querySelector('.card.here h3').textContent`); !strings.Contains(here, written.Title) {
			t.Errorf("the lesson is at %q", here)
		}
		if environ := b.text(`[...document.querySelectorAll('#memory .scroll')][0].innerText`); !strings.Contains(environ, "EMURACE_064") && !strings.Contains(environ, "EMURACE_LAST=1") {
			t.Errorf("environ: %s", environ)
		}
		if heap := b.text(`[...document.querySelectorAll('.chunk.focus')].map((e) => e.innerText).join()`); !strings.Contains(heap, "being freed") {
			t.Errorf("malloc: %s", heap)
		}
		// A click into the strip's middle.
		b.eval(nil, `{ const r = document.getElementById('strip').getBoundingClientRect(), e = new PointerEvent('pointerdown', { clientX: r.left + r.width / 2, pointerId: 1, bubbles: true });
			const s = document.getElementById('strip'); s.setPointerCapture = () => {}; s.dispatchEvent(e); }`)
		is((in.Line.Len()+1)/2, "the middle of the strip")
		b.eval(nil, `document.querySelector('.lane li.later').click()`)
		if at() == fmt.Sprint((in.Line.Len()+1)/2) {
			t.Error("a line of a lane leads nowhere")
		}
	})

	if testing.Short() {
		return
	}

	t.Run("screen readers", func(t *testing.T) { namesForAll(t, b) })

	t.Run("looks", func(t *testing.T) {
		grounds := map[string]bool{}
		for _, scheme := range []string{"light", "dark"} {
			for _, width := range []int{1280, 390} {
				b.screen(width, 900, scheme)
				slide(load.After)
				var inner, whole int
				b.eval(&inner, `innerWidth`)
				b.eval(&whole, `document.documentElement.scrollWidth`)
				if inner != width || whole > width {
					t.Errorf("%d wide, %s: the window is %d, the page %d; too far right: %s", width, scheme, inner, whole, b.text(fmt.Sprintf(
						`[...document.querySelectorAll('body *')].filter((e) => e.getBoundingClientRect().right > %d && !e.closest('.scroll, pre, .skip')).map((e) => e.tagName + '.' + e.className + ' ' + e.textContent.slice(0, 20)).slice(0, 6).join(' | ')`, width)))
				}
				b.shoot(fmt.Sprintf("%s-%d", scheme, width), true)
				b.eval(nil, `document.getElementById('memory-title').scrollIntoView({ behavior: 'instant' })`)
				b.shoot(fmt.Sprintf("%s-%d-memory", scheme, width), false)
			}
			grounds[b.text(`getComputedStyle(document.body).backgroundColor`)] = true
			contrast(t, b, scheme)
		}
		if len(grounds) != 2 {
			t.Errorf("light and dark look the same: %v", grounds)
		}
		b.eval(nil, `document.getElementById('theme').click()`) // to light, in the dark
		if got := b.text(`getComputedStyle(document.body).backgroundColor`); got != "rgb(255, 255, 255)" {
			t.Errorf("light by hand: %s", got)
		}
	})
	quiet()

	t.Run("windows", func(t *testing.T) {
		run, err := record(in.Line, in.Explanation, in.Lesson, in.Heap, 1500)
		must(t, err)
		page, err := newPage(in, run)
		must(t, err)
		file := filepath.Join(t.TempDir(), "windows.html")
		must(t, os.WriteFile(file, []byte(text(t, page)), 0o644))
		b.open(file)
		followed(t, b, run)
		if !strings.Contains(b.text(`document.querySelector('header .note').textContent`), "This page has ") || len(run.Windows) < 3 {
			t.Errorf("it is not said that %d windows are not all", len(run.Windows))
		}
		for _, c := range b.complaints(file) {
			t.Errorf("the page complains: %s", c)
		}
	})

	t.Run("hostile", func(t *testing.T) {
		page, file := write(t, hostileArticle(t)), filepath.Join(t.TempDir(), "hostile.html")
		checkHostile(t, page)
		must(t, os.WriteFile(file, []byte(page), 0o644))
		b.open(file)
		for _, c := range b.complaints(file) {
			t.Errorf("the page complains: %s", c)
		}
		if title := b.text(`document.title`); title != "Why main dies of SIGSEGV in getenv - emurace" {
			t.Errorf("the page is called %q", title)
		}
		if b.text(`document.querySelector('img') === null && document.querySelectorAll('script').length === 2`) != "true" {
			t.Error("there is more in the page than was put there")
		}
		for _, place := range []string{`.card h3`, `.command:last-of-type`, `.facts`, `.story li`, `.lane .call`} {
			if text := b.text(`[...document.querySelectorAll('` + place + `')].map((e) => e.textContent).join()`); !strings.Contains(text, "<script>") {
				t.Errorf("%s: %q", place, text)
			}
		}
	})

	t.Run("without JavaScript", func(t *testing.T) {
		b.ask(nil, "Emulation.setScriptExecutionDisabled", map[string]any{"value": true})
		b.open(file)
		b.shoot("no-script", true)
		page := accessible(t, b)
		for _, want := range []string{"needs JavaScript", "Worker had put that value where main read it", "worker writes 0x220", "ldrh w2, [x19]"} {
			if !strings.Contains(page.text, want) {
				t.Errorf("without JavaScript there is no %q", want)
			}
		}
		if page.roles["slider"] != nil {
			t.Error("there is a slider that does nothing")
		}
		quiet()
	})
}

// followed: at positions at random, from any one to any other, the page shows the
// registers and the words that the differences lead to.
func followed(t *testing.T, b *browser, run *Run) {
	t.Helper()
	r := testrace.Randomness(t)
	show := func(v int) string {
		if v == 0 {
			return "none"
		}
		return "0x" + run.Values[v]
	}
	first := 0
	var starts []int
	for _, w := range run.Windows {
		starts = append(starts, first)
		first += len(w.Places) + 1
	}
	moments := 25
	if testing.Short() {
		moments = 5
	}
	for range moments {
		k := r.IntN(len(run.Windows))
		w := &run.Windows[k]
		i := r.IntN(len(w.Places) + 1)
		var got []string
		b.eval(&got, fmt.Sprintf(`(() => {
			const s = document.getElementById('slider');
			s.value = '%d';
			s.dispatchEvent(new Event('input', { bubbles: true }));
			return [...document.querySelectorAll('.regs dd > span:first-child, #memory td.value')].map((e) => e.textContent);
		})()`, starts[k]+i))
		m := played(w, i)
		var want []string
		for _, v := range m.registers {
			want = append(want, show(v))
		}
		for _, table := range run.Tables {
			for _, row := range table.Rows {
				if row.Word >= 0 {
					want = append(want, show(m.words[2*row.Word]))
				}
			}
		}
		if !slices.Equal(got, want) {
			t.Fatalf("instruction %d of window %d:\n%q, want\n%q", i, k, got, want)
		}
	}
}

func lessonMoment(t *testing.T, l *lesson.Lesson, k replay.FactKind) lesson.Moment {
	t.Helper()
	for _, m := range l.Moments {
		if m.Kind == k {
			return m
		}
	}
	t.Fatalf("the lesson has no moment of kind %d", k)
	return lesson.Moment{}
}

// tree is what assistive programs get of a page.
type tree struct {
	roles map[string][]string // the names of the nodes of a role
	text  string
}

func accessible(t *testing.T, b *browser) tree {
	t.Helper()
	var r struct {
		Nodes []struct {
			Ignored bool
			Role    struct{ Value string }
			Name    struct{ Value json.RawMessage }
		}
	}
	b.ask(&r, "Accessibility.getFullAXTree", nil)
	out := tree{roles: map[string][]string{}}
	var all strings.Builder
	for _, n := range r.Nodes {
		if n.Ignored {
			continue
		}
		name := ""
		if n.Name.Value != nil {
			must(t, json.Unmarshal(n.Name.Value, &name))
		}
		out.roles[n.Role.Value] = append(out.roles[n.Role.Value], name)
		all.WriteString(name + "\n")
	}
	out.text = all.String()
	return out
}

// namesForAll: everything that can be used or visited has a name.
func namesForAll(t *testing.T, b *browser) {
	page := accessible(t, b)
	for role, least := range map[string]int{"slider": 1, "button": 10, "heading": 10, "region": 3, "link": 4, "status": 1, "table": 8, "rowheader": 20, "navigation": 1, "main": 1, "complementary": 2} {
		if len(page.roles[role]) < least {
			t.Errorf("%d nodes are a %s, want %d: %q", len(page.roles[role]), role, least, page.roles[role])
		}
	}
	for _, role := range []string{"slider", "button", "heading", "region", "link", "table", "navigation"} {
		for _, name := range page.roles[role] {
			if strings.TrimSpace(name) == "" {
				t.Errorf("a %s has no name", role)
			}
		}
	}
	if got := page.roles["slider"]; len(got) != 1 || got[0] != "Moment of the run" {
		t.Errorf("sliders: %q", got)
	}
	if got := b.text(`document.getElementById('slider').getAttribute('aria-valuetext')`); !strings.HasPrefix(got, "Moment ") {
		t.Errorf("the slider says %q", got)
	}
	seen := map[string]bool{}
	for _, name := range page.roles["button"] {
		if seen[name] {
			t.Errorf("two buttons are called %q", name)
		}
		seen[name] = true
	}
}

// contrast: every text that is seen has a contrast of 4.5 to 1 with what is behind it
// (WCAG 2.1, 1.4.3 and its definition of relative luminance).
func contrast(t *testing.T, b *browser, scheme string) {
	t.Helper()
	var bad []string
	b.eval(&bad, `(() => {
		const rgb = (c) => c.match(/[\d.]+/g).map(Number);
		const light = ([r, g, b]) => { const f = (v) => (v /= 255) <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4; return .2126 * f(r) + .7152 * f(g) + .0722 * f(b); };
		const ground = (e) => { for (; e; e = e.parentElement) { const c = rgb(getComputedStyle(e).backgroundColor); if (c.length < 4 || c[3] > 0) return c; } return [255, 255, 255]; };
		const bad = new Set();
		for (const e of document.querySelectorAll('body *')) {
			if (!e.getClientRects().length || ![...e.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim())) continue;
			let opacity = 1;
			for (let p = e; p; p = p.parentElement) opacity *= Number(getComputedStyle(p).opacity);
			const behind = ground(e), ink = rgb(getComputedStyle(e).color).slice(0, 3).map((v, i) => v * opacity + behind[i] * (1 - opacity));
			const [a, z] = [light(ink), light(behind)].sort((x, y) => y - x), ratio = (a + .05) / (z + .05);
			if (ratio < 4.5) bad.add(e.className + ' ' + e.tagName + ' ' + ratio.toFixed(2) + ' ' + e.textContent.slice(0, 30));
		}
		return [...bad].slice(0, 10);
	})()`)
	for _, e := range bad {
		t.Errorf("%s: too little contrast: %s", scheme, e)
	}
}
