package report

import (
	"encoding/json"
	"fmt"
	"html"
	"slices"
	"strings"
	"testing"

	"emurace/internal/testsystem"
	"emurace/loader"
	"emurace/replay"
)

// maxPage is what a page may weigh, in bytes.
const maxPage = 2 << 20

// runOf reads a page's Run back.
func runOf(t *testing.T, page string) *Run {
	t.Helper()
	_, rest, ok := strings.Cut(page, `<script type="application/json" id="run">`)
	data, _, ended := strings.Cut(rest, "</script>")
	if !ok || !ended {
		t.Fatal("there is no run in the page")
	}
	run := &Run{}
	must(t, json.Unmarshal([]byte(data), run))
	return run
}

// The page says what whoever reads it has to know, is small, asks for nothing, and
// is the same each time.
func testPage(t *testing.T, in Input, arch loader.Arch) {
	page := write(t, in)
	if len(page) > maxPage/2 {
		t.Errorf("%d bytes", len(page))
	}
	plain := html.UnescapeString(page)
	for _, want := range []string{
		"<h1>Why main dies of SIGSEGV in getenv</h1>",
		"Main takes 0x220 for an address, but nothing can be read there.",
		"0x220 is the size of the chunk that was freed",
		"Worker runs _int_free+0x",
		"Why just this word, and why an even number of entries",
		"What avoids it",
		"emurace replay a.trace",
		"emurace explore a.trace",
		"glibc 2.36 of debian:bookworm",
		"sequential consistency",
		"needs JavaScript",
		`content="default-src 'none'; script-src 'sha256-`,
		"emurace 1.2.3 with Unicorn 4.5.6, trace format 2",
	} {
		if !strings.Contains(plain, want) {
			t.Errorf("the page does not say %q", want)
		}
	}
	// From the crash backwards, each card once, with what to ask gdb.
	for i, m := range in.Backwards.Moments {
		_, card, ok := strings.Cut(plain, fmt.Sprintf(`id="back-%d">`, i+1))
		card, _, _ = strings.Cut(card, "</li>")
		for _, want := range slices.Concat([]string{m.Title, m.When(in.Backwards.Length)}, m.Long, m.Ask) {
			if !ok || !strings.Contains(card, want) {
				t.Errorf("card %d of those that go backwards does not say %q: %s", i+1, want, card)
			}
		}
	}
	// In the lesson in long, and in the explanation in short, it has the words of the facts.
	for _, f := range in.Explanation.Facts() {
		wording := f.Long
		for _, line := range f.Short {
			wording = append(wording, line.String())
		}
		for _, want := range wording {
			if !strings.Contains(plain, want) {
				t.Errorf("the page does not say %q", want)
			}
		}
	}
	if strings.Contains(page, "://") || strings.Contains(page, "ZgotmplZ") {
		t.Error("the page names an address, or something in it was not safe")
	}
	if n := strings.Count(page, `<tr class="thread-`); n != lastLines+1 {
		t.Errorf("%d last instructions", n)
	}
	if again := write(t, in); again != page {
		t.Error("the same run makes another page")
	}
	if arch == loader.ARM64 && write(t, article(t, arch)) != page {
		t.Error("another machine makes another page of the same run")
	}
}

// hostile is text that a trace, or a guest's memory, may hold.
const hostile = `</script><script>document.title='owned'</script><!--<img src=x onerror="document.title='owned'">' "&amp;`

// hostileArticle is the article's crash with hostile text wherever a trace has some.
func hostileArticle(t *testing.T) Input {
	t.Helper()
	clean := strings.ReplaceAll(hostile, "=", "-") // a variable's name has none
	in := article(t, loader.ARM64, "name="+clean, "file="+hostile, "dir="+hostile)
	in.File = hostile
	in.Trace.Libc.Source = hostile
	in.Trace.Modules = append(in.Trace.Modules, replay.File{Path: hostile, SHA256: hostile})
	in.Lesson.Moments[0].Title, in.Lesson.Moments[0].Long = hostile, []string{hostile}
	in.Backwards.Moments[0].Title, in.Backwards.Moments[0].Ask = hostile, []string{hostile}
	return in
}

// Nothing that comes from elsewhere is markup or code.
func checkHostile(t *testing.T, page string) {
	t.Helper()
	if n := strings.Count(page, "<script"); n != 2 {
		t.Errorf("%d scripts", n)
	}
	if n := strings.Count(page, "</script"); n != 2 {
		t.Errorf("%d ends of scripts", n)
	}
	for _, bad := range []string{"<img", "<!--", "ZgotmplZ"} {
		if strings.Contains(page, bad) {
			t.Errorf("there is a %s in the page", bad)
		}
	}
	run := runOf(t, page)
	if run.Marks[0].Title != hostile || !slices.ContainsFunc(run.Texts, func(s string) bool { return strings.Contains(s, "onerror") }) {
		t.Errorf("the texts are others: %q, %q", run.Marks[0].Title, run.Texts)
	}
}

// A long run makes no large page, and says what is left out of it; one that ended
// well has a page too.
func TestLargest(t *testing.T) {
	testsystem.EachArch(t, func(t *testing.T, arch loader.Arch) {
		in := counting(t, arch, 5000)
		if in.Line.Len() <= maxInstructions || in.Lesson != nil {
			t.Fatalf("%d instructions, %v", in.Line.Len(), in.Lesson)
		}
		page := write(t, in)
		if len(page) > maxPage {
			t.Errorf("%d bytes", len(page))
		}
		if !strings.Contains(page, "Nothing failed") || !strings.Contains(page, "of them: the last ones") || strings.Contains(page, `id="lesson"`) {
			t.Error("the page does not say what it is about")
		}
		t.Logf("%d bytes for %d instructions", len(page), in.Line.Len())
	})
}
