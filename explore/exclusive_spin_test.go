package explore

import (
	"testing"

	"emurace/loader"
)

// A store exclusive that fails because the word was written in between, though it holds
// again what it held, leaves its thread where it was a round before: it does not wait for
// the word to change. A thread that goes round that way gets out as soon as it is let.
func TestExclusiveLosesRounds(t *testing.T) {
	p := program{
		name: "exclusive",
		source: `
volatile u32 x;
void take(void) {
	u32 v, failed;
	do __asm__ volatile("ldxr %w0, [%2]\n stxr %w1, %w0, [%2]" : "=&r"(v), "=&r"(failed) : "r"(&x) : "memory");
	while (failed);
}
void back_and_forth(void) { x = 1; x = 0; x = 1; x = 0; x = 1; x = 0; }
`,
		threads: []string{"take", "back_and_forth"},
	}
	start := p.starter(t, system(t, loader.ARM64))
	for name, o := range map[string]Options{"dpor": {KeepGoing: true, Jobs: 2}, "bounded": {KeepGoing: true, Jobs: 2, Preemptions: 3}} {
		r, err := everySearch(0)[name](t.Context(), start, o)
		must(t, err)
		if r.Verdict != Clean {
			t.Errorf("%s: %v after %d schedules: %+v", name, r.Verdict, r.Schedules, r.Findings)
		}
	}
}
