package replay

import (
	"strings"
	"testing"
)

// A printer writes colours, when it is to, and nothing else that a terminal obeys.
func TestPrinterEscapes(t *testing.T) {
	const hostile = "a\x1b]0;title\a\x1b[31mb\n\u009b2Jc"
	for color, want := range map[bool]string{
		false: `a\x1b]0;title\a\x1b[31mb` + "\n" + `\u009b2Jc name a\x1b]0;title\a\x1b[31mb\n\u009b2Jc.` + "\n",
		true:  `a\x1b]0;title\a` + "\x1b[31mb\n" + `\u009b2Jc name ` + "\x1b[36m" + `a\x1b]0;title\a\x1b[31mb\n\u009b2Jc` + "\x1b[0m.\n",
	} {
		var b strings.Builder
		p := NewPrinter(&b, color)
		p.Printf("%s name %s.\n", hostile, p.Name(hostile))
		if b.String() != want || p.Err() != nil {
			t.Errorf("color %v: %q", color, &b)
		}
	}
}
