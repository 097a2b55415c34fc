package report

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"emurace/internal/testrace"
	"emurace/internal/testsystem"
	"emurace/loader"
	"emurace/replay"
	"emurace/scenario"
)

// buffering is the input of the page about a run in which loads see what memory does not hold.
func buffering(t testing.TB, arch loader.Arch) (*testrace.Buffering, Input) {
	t.Helper()
	sb := testrace.NewBuffering(arch)
	recipe := replay.Recipe{Scenario: sb.Scenario(), Arch: arch, Source: "debian:bookworm", Seed: 1}
	return sb, input(t, recipe, func(t testing.TB, s *scenario.Session) scenario.Schedule {
		must(t, s.Restart())
		must(t, s.Play(sb.Schedule()))
		return sb.Schedule()
	})
}

// TestSeeingRecorded: the page's run is, at every moment, the one with what the loads have seen.
func TestSeeingRecorded(t *testing.T) {
	testsystem.EachArch(t, func(t *testing.T, arch loader.Arch) {
		_, in := buffering(t, arch)
		run, err := Record(in.Line, in.Explanation, in.Lesson, in.Heap)
		must(t, err)
		for _, i := range []int{0, 6, 3, 4, 2, 5, 1, 4} {
			compare(t, run, &run.Windows[0], i, in.Line)
		}
		accesses := groups(run.Windows[0].Accesses, 5)
		for i, want := range []string{"0x1 (was 0x0)", "0x1 (was 0x0)", "→ 0x0", "→ 0x0"} {
			if got := run.accesses(accesses[i]); len(got) < len(want) || got[len(got)-len(want):] != want {
				t.Errorf("instruction %d: %s, want %s", i+1, got, want)
			}
		}
	})
}

// TestSeeingPage: the page has the picture, says what it shows, and does not say that one instruction came after the
// other.
func TestSeeingPage(t *testing.T) {
	testsystem.EachArch(t, func(t *testing.T, arch loader.Arch) {
		_, in := buffering(t, arch)
		page := write(t, in)
		for _, want := range []string{
			`<svg class="execution"`, `aria-labelledby="execution-title" aria-describedby="execution-desc"`, `<path class="arrow fr"`, "before the race</text>",
			"So at least one of these was so: main&#39;s read of", "<li>po  1 → 4  free: a barrier would keep it</li>", "main reads an older value",
		} {
			if !strings.Contains(page, want) {
				t.Errorf("the page has no %s", want)
			}
		}
		if strings.Contains(page, "sequential consistency") {
			t.Error("the page assumes sequential consistency")
		}
	})
}

// TestSeeingBrowser: the picture can be read in both colour schemes, has a name for who does not see it, and moves
// the page no wider.
func TestSeeingBrowser(t *testing.T) {
	_, in := buffering(t, loader.ARM64)
	file := filepath.Join(t.TempDir(), "weak.html")
	must(t, os.WriteFile(file, []byte(write(t, in)), 0o644))
	b := startBrowser(t)
	for _, scheme := range []string{"light", "dark"} {
		b.screen(1280, 900, scheme)
		b.open(file)
		contrast(t, b, scheme)
		for _, c := range b.complaints(file) {
			t.Errorf("the page complains: %s", c)
		}
	}
	const title = "Who has seen what: the accesses to shared memory"
	if page := accessible(t, b); !slices.Contains(slices.Concat(page.roles["image"], page.roles["img"]), title) {
		t.Errorf("no picture is called %q: %q", title, page.roles)
	}
	b.screen(360, 740, "light")
	var wide bool
	if b.eval(&wide, `document.documentElement.scrollWidth > innerWidth`); wide {
		t.Error("the page is wider than a phone")
	}
	b.shoot("weak.png", true)
}
