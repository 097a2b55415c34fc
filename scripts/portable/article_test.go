package portable_test

import (
	"strings"
	"testing"

	"emurace/emu"
	"emurace/internal/testrace"
	"emurace/internal/testsystem"
	"emurace/loader"
	"emurace/scenario"
	"emurace/scripts/portable"
)

// answer is the size of the chunk that environ's block of 66 entries was in, which
// main takes for a string's address. Only tests may know it.
const answer = 0x220

// isAnswer checks that main died in getenv reading at the answer.
func isAnswer(t testing.TB, s *scenario.Session, o scenario.Outcome) {
	t.Helper()
	if o.Kind != scenario.Segv || s.Names()[o.Thread] != scenario.Main || o.End.Addr != answer || o.End.Access != emu.AccessRead {
		t.Errorf("%v", o)
	} else if f, _, _ := s.Process().Symbol(o.End.PC); f != "getenv" {
		t.Errorf("%v, in %s", o, f)
	}
}

// The same few lines make the article's crash happen with each libc on each
// architecture, and what they come to is a schedule that counts instructions.
func TestArticle(t *testing.T) {
	environ := loc(t, "environ")
	for name, runs := range map[string][]portable.Run{
		"environ": {
			{Thread: "main", Until: reads(environ)},
			{Thread: "worker", Until: returns("setenv")},
			{Thread: "main"},
		},
		"middle": {
			{Thread: "main", Until: reads(wordAt(environ, 8*30))},
			{Thread: "worker", Until: returns("setenv")},
			{Thread: "main"},
		},
		"to the end": {
			{Thread: "main", Until: reads(wordAt(environ, 0))},
			{Thread: "worker"},
		},
		"written": {
			{Thread: "main", Until: portable.Access{Way: portable.Touches, Loc: wordAt(environ, 8)}},
			{Thread: "worker", Until: writes(wordAt(environ, 8*66))},
			{Thread: "main"},
		},
		"freed": {
			{Thread: "main", Until: reads(wordAt(environ, 16)), Hit: 1},
			{Thread: "worker", Until: returns("_int_free")},
			{Thread: "main"},
		},
	} {
		t.Run(strings.ReplaceAll(name, " ", "-"), func(t *testing.T) {
			eachSystem(t, func(t *testing.T, sys *emu.System) {
				s := start(t, sys)
				r, err := portable.Play(s, runs)
				if err != nil {
					t.Fatal(err)
				}
				isAnswer(t, s, r.Outcome)
				for i, st := range r.Stops[:len(r.Stops)-1] {
					if want := runs[i].Until != nil; (st.Why == portable.Reached) != want || st.Seen > 1 {
						t.Errorf("run %d: %+v", i+1, st)
					}
				}
				testrace.Must(t, s.Restart())
				testrace.Must(t, s.Play(r.Schedule))
				if o, over := s.Outcome(); !over || *o.End != *r.Outcome.End {
					t.Errorf("its schedule %v ends as %v", r.Schedule.Texts(s.Names()), o)
				}
			})
		})
	}
}

// BenchmarkPlay compares the article's crash in words with its schedule, which counts
// instructions.
func BenchmarkPlay(b *testing.B) {
	s := start(b, testsystem.Of(b, "bookworm", loader.ARM64))
	p := portable.New(s)
	runs := []portable.Run{{Thread: "main", Until: reads(wordAt(loc(b, "environ"), 8*30))}, {Thread: "worker", Until: returns("setenv")}, {Thread: "main"}}
	r, err := p.Play(runs)
	testrace.Must(b, err)
	b.Run("words", func(b *testing.B) {
		for range b.N {
			_, err := p.Play(runs)
			testrace.Must(b, err)
		}
	})
	b.Run("schedule", func(b *testing.B) {
		for range b.N {
			testrace.Must(b, s.Restart())
			testrace.Must(b, s.Play(r.Schedule))
		}
	})
	b.Run("new", func(b *testing.B) {
		for range b.N {
			_, err := portable.Play(s, runs)
			testrace.Must(b, err)
		}
	})
}
