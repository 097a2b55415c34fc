package lesson

import (
	"slices"
	"strings"
	"testing"

	"emurace/internal/testrace"
	"emurace/internal/testsystem"
	"emurace/loader"
	"emurace/replay"
	"emurace/replay/timeline"
	"emurace/scenario"
	"emurace/scripts"
)

// toldBack makes the lesson of a run that begins with its end.
func toldBack(t testing.TB, s *scenario.Session, start replay.Starter, schedule scenario.Schedule) *Lesson {
	t.Helper()
	h, err := replay.NewHistory(s, schedule)
	must(t, err)
	x, err := replay.Explain(h)
	must(t, err)
	tracer, err := replay.NewHeapTracer(start)
	must(t, err)
	defer tracer.Close()
	heap, err := tracer.Run(nil, schedule)
	must(t, err)
	must(t, x.AddHeap(h, heap))
	line, err := timeline.New(s, schedule)
	must(t, err)
	t.Cleanup(line.Close)
	l, err := Backwards(line, x, nil)
	must(t, err)
	if line.At() != line.Len() {
		t.Errorf("it stands at %d of %d", line.At(), line.Len())
	}
	if all := text(l); strings.Contains(all, "%!") {
		t.Errorf("badly formatted: %s", all)
	}
	return l
}

// rowsOf are the values of a picture by their labels.
func rowsOf(t *testing.T, m Moment) map[string]Row {
	t.Helper()
	if m.Is == nil {
		t.Fatalf("%s has no picture", m.Title)
	}
	rows := map[string]Row{}
	for _, r := range m.Is.Rows {
		rows[r.Label] = r
	}
	return rows
}

// The scene of the article in its order: core, backtrace, x19, environ looks fine, x20 is
// elsewhere, the two agree, who moved it. Each card's facts are those of the machine.
func TestBackwards(t *testing.T) {
	for _, suite := range []string{"bookworm", "bullseye"} {
		if testing.Short() && suite != "bookworm" {
			continue
		}
		testsystem.EachArch(t, func(t *testing.T, arch loader.Arch) {
			s, start, schedule, _ := testrace.Scene(t, testsystem.Of(t, suite, arch))
			l := toldBack(t, s, start, schedule)
			want := []replay.FactKind{replay.FactCore, replay.FactStack, replay.FactRegister, replay.FactPlace, replay.FactElsewhere, replay.FactAlike, replay.FactWho, replay.FactSequence}
			if got := kinds(l); !slices.Equal(got, want) {
				t.Fatalf("%v, want %v\n%s", got, want, text(l))
			}
			array, n, ok := replay.Environ(s.Process())
			if !ok || n != 68 {
				t.Fatalf("environ has %d entries", n)
			}
			walk := map[string]string{"bookworm/arm64": "x20", "bookworm/amd64": "rbp", "bullseye/arm64": "x20", "bullseye/amd64": "rbx"}[suite+"/"+arch.String()]
			for kind, texts := range map[replay.FactKind][]string{
				replay.FactCore:      {"SIGSEGV", `Worker has made all its calls; the last was setenv("SSL_CERT_DIR"`},
				replay.FactStack:     {"Main is in its call of strerror(2)", "getenv+0x", " < __dcigettext+0x", " < strerror"},
				replay.FactRegister:  {" = 0x220, and nothing is mapped there: the process has no memory at that address"},
				replay.FactPlace:     {"Main had found the block by environ.", "Its first 68 words are addresses of memory, and NULL is behind them"},
				replay.FactElsewhere: {"0x220 was loaded from ", "in another block", "freed by worker in realloc of setenv"},
				replay.FactAlike:     {"Of the 67 words that both blocks have, 64 are the same: words 2 to 65.", "Not the same: words 0, 1 and 66.", "held 0 (NULL) until"},
				replay.FactWho:       {"Worker runs _int_free+0x", "< realloc", "0x220 (544) is the size of the chunk"},
				replay.FactSequence:  {": main reads environ", ": worker begins to copy 66 words.", ": worker writes 0x220.", ": worker changes environ.", ": main loads 0x220."},
			} {
				for _, want := range texts {
					if got := strings.Join(moment(t, l, kind).Long, "\n"); !strings.Contains(got, want) {
						t.Errorf("card %d does not say %q:\n%s", kind, want, got)
					}
				}
			}
			fine := moment(t, l, replay.FactPlace)
			rows := rowsOf(t, fine)
			if fine.Title != "environ looks fine" || rows["environ"].Value != array ||
				!strings.HasPrefix(rows["word 66"].Text, `"SSL_CERT_FILE=/etc`) || !strings.HasPrefix(rows["word 67"].Text, `"SSL_CERT_DIR=/etc`) || rows["word 68"].Value != 0 || !rows["word 68"].Mapped {
				t.Errorf("%s: %+v", fine.Title, rows)
			}
			if e := moment(t, l, replay.FactElsewhere); e.Title != walk+" is elsewhere" || !slices.Contains(e.Ask, "x/20gx $"+walk+"-40") {
				t.Errorf("%s: %q", e.Title, e.Ask)
			}
			rows = rowsOf(t, moment(t, l, replay.FactAlike))
			if rows["word 65"].Text != "the same in the new one" || rows["word 66"].Value != 0x220 || !rows["word 66"].Focus || !strings.HasSuffix(rows["word 66"].Text, " in the new one") {
				t.Errorf("%+v", rows)
			}
			if w := moment(t, l, replay.FactWho); focus(t, w.Was).Value != 0 || focus(t, w.Is).Value != 0x220 || w.Title != "Who moved it" {
				t.Errorf("%s: %+v", w.Title, w.Is)
			}
		})
	}
}

// Where the worker has not come to change environ, that is what is told, and there is no other
// block to be compared.
func TestBackwardsInTheMiddle(t *testing.T) {
	sc, values := testrace.Default(t)
	start := testrace.Starter(testsystem.Of(t, "bookworm", loader.ARM64), sc, values, 1)
	s, err := start(nil)
	must(t, err)
	defer s.Close()
	l := toldBack(t, s, start, crash(t, s, false))
	want := []replay.FactKind{replay.FactCore, replay.FactStack, replay.FactRegister, replay.FactPlace, replay.FactWho, replay.FactSequence}
	if got := kinds(l); !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	m := moment(t, l, replay.FactPlace)
	if m.Title != "environ leads there" || !strings.Contains(m.Long[0], "being freed by worker") {
		t.Errorf("%s: %s", m.Title, m.Long)
	}
}

// exchanged is a death that has nothing to do with environ: a table is exchanged for a copy and freed,
// while another thread uses what it has found before.
const exchanged = `"""A table is exchanged."""
cell = data(8)
text = data("a,b,c")

def prepare(p):
    table = p.call("malloc", 160)
    for i in range(19):
        p.put_u64(table + 8 * i, p.address(text))
    p.put_u64(table + 8 * 19, 0)
    p.put_u64(cell, table)

def main(t):
    t.call("strtok_r", 0, ",", t.u64(cell))

def worker(t):
    old = t.u64(cell)
    new = t.call("malloc", 160)
    t.call("memcpy", new, old, 160)
    t.put_u64(cell, new)
    t.call("free", old)

setup(prepare)
thread("main", main)
thread("worker", worker)
`

// The same cards, by the same facts, for a block that no libc knows.
func TestBackwardsOfAnother(t *testing.T) {
	script, err := scripts.Compile("exchanged.star", exchanged)
	must(t, err)
	sc, err := script.Scenario()
	must(t, err)
	testsystem.EachArch(t, func(t *testing.T, arch loader.Arch) {
		start := testrace.Starter(testsystem.Of(t, "bookworm", arch), sc, nil, 1)
		s, err := start(nil)
		must(t, err)
		defer s.Close()
		l := toldBack(t, s, start, crash(t, s, true))
		want := []replay.FactKind{replay.FactCore, replay.FactStack, replay.FactRegister, replay.FactPlace, replay.FactElsewhere, replay.FactAlike, replay.FactWho, replay.FactSequence}
		if got := kinds(l); !slices.Equal(got, want) {
			t.Fatalf("%v, want %v\n%s", got, want, text(l))
		}
		if w := moment(t, l, replay.FactWho); w.Title != "Who gave the block back" {
			t.Errorf("the last but one is %s", w.Title)
		}
		for kind, want := range map[replay.FactKind]string{
			replay.FactStack:    "Main is in its call of strtok_r(",
			replay.FactPlace:    "Its first 19 words are addresses of memory, and NULL is behind them",
			replay.FactAlike:    "Of the 20 words that both blocks have, 18 are the same: words 2 to 19.",
			replay.FactWho:      "in its call of free(",
			replay.FactSequence: "worker begins to give the block back, in free(",
		} {
			if got := strings.Join(moment(t, l, kind).Long, "\n"); !strings.Contains(got, want) {
				t.Errorf("card %d does not say %q:\n%s", kind, want, got)
			}
		}
	})
}

// Other failures are told in the order of New, the last card first.
func TestBackwardsOfOthers(t *testing.T) {
	start := testrace.Starter(testsystem.Of(t, "bookworm", loader.ARM64), testrace.Locks(), nil, 1)
	s, err := start(nil)
	must(t, err)
	defer s.Close()
	schedule := testrace.Deadlock(t, s)
	forwards := kinds(lessonOf(t, s, start, schedule, nil))
	slices.Reverse(forwards)
	if got := kinds(toldBack(t, s, start, schedule)); !slices.Equal(got, forwards) || got[0] != replay.FactEnd {
		t.Errorf("%v, want %v", got, forwards)
	}
}

// TestWhen: a card's place is told by the number that the instruction has everywhere.
func TestWhen(t *testing.T) {
	const length = 7086
	for want, at := range map[string][2]uint64{
		"before the race": {0, 0}, "instruction 1": {0, 1}, "instruction 2,757": {2756, 2757}, "instructions 2,341 to 2,406": {2340, 2406},
		"before instruction 2,311": {2310, 2310}, "the end, behind instruction 7,086": {length, length}, "instruction 7,086": {length - 1, length},
	} {
		m := Moment{Fact: replay.Fact{At: at[0], After: at[1]}}
		if got := m.When(length); got != want {
			t.Errorf("%v is %q, want %q", at, got, want)
		}
	}
}
