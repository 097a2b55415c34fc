package replay

import (
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"

	"github.com/charmbracelet/x/ansi"

	"emurace/internal/testseed"
)

// TestFold: where lines are folded, and where they go on.
func TestFold(t *testing.T) {
	for _, c := range []struct {
		columns int
		text    string
		want    string
	}{
		{40, "short\n", "short\n"},
		{40, "a line that is just forty columns long..\n", "a line that is just forty columns long..\n"},
		{40, "a line that is just more than forty columns\n", "a line that is just more than forty\n    columns\n"},
		{40, "    main loaded x19 at getenv+0x8c from 0x5555\n", "    main loaded x19 at getenv+0x8c from\n        0x5555\n"},
		{40, "next      emurace replay getenv-setenv.trace\n", "next      emurace replay\n          getenv-setenv.trace\n"},
		{40, "run 1     main stops at asctime, after 6 instructions\n", "run 1     main stops at asctime, after 6\n          instructions\n"},
		{40, strings.Repeat("x", 50) + "\n", strings.Repeat("x", 50) + "\n"},
		{39, "a line that is more than forty columns long\n", "a line that is more than forty columns long\n"},
		{0, "a line that is more than forty columns long\n", "a line that is more than forty columns long\n"},
		{40, "no end of the line comes to this text in here", "no end of the line comes to this text in\n    here"},
	} {
		var b strings.Builder
		p := NewPrinter(&b, false)
		p.Fold(c.columns)
		p.Printf("%s", c.text)
		must(t, p.Err())
		if b.String() != c.want {
			t.Errorf("%q in %d columns:\n%q, want\n%q", c.text, c.columns, b.String(), c.want)
		}
	}
}

// TestFoldedWords: whatever is printed, in whatever pieces and colours, folding loses no word, and
// leaves no line too long that could be shorter.
func TestFoldedWords(t *testing.T) {
	random := rand.New(rand.NewPCG(testseed.Of(t, 1), 1))
	for range 2000 {
		columns := leastFolded + random.IntN(80)
		var plain, folded strings.Builder
		long, short := NewPrinter(&plain, true), NewPrinter(&folded, true)
		short.Fold(columns)
		for range random.IntN(40) {
			word := strings.Repeat(string(rune('a'+random.IntN(26))), 1+random.IntN(12))
			switch random.IntN(6) {
			case 0:
				word = long.Number(word)
			case 1:
				word += "\n" + strings.Repeat(" ", random.IntN(9))
			default: // as it is
			}
			for _, p := range []*Printer{long, short} {
				p.Printf("%s ", word)
			}
		}
		must(t, long.Err())
		must(t, short.Err())
		if a, b := strings.Fields(ansi.Strip(plain.String())), strings.Fields(ansi.Strip(folded.String())); strings.Join(a, " ") != strings.Join(b, " ") {
			t.Fatalf("in %d columns\n%q becomes\n%q", columns, plain.String(), folded.String())
		}
		for line := range strings.Lines(folded.String()) {
			line = strings.TrimRight(ansi.Strip(line), " \n")
			if ansi.StringWidth(line) > columns && regexp.MustCompile(`^ {0,20}\S+ +\S`).MatchString(line) && columns > 2*20 {
				t.Fatalf("%q has more than %d columns", line, columns)
			}
		}
	}
}
