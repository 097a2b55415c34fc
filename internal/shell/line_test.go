package shell

import (
	"os/exec"
	"testing"
)

// TestLine: words are quoted where they have to be, and a shell reads them as they were.
func TestLine(t *testing.T) {
	for word, want := range map[string]string{
		"a.trace": "a.trace", "": "''", "a b": "'a b'", "it's": `'it'\''s'`, "$(rm)": "'$(rm)'", "entries=65": "entries=65", "-x;y": "'-x;y'", "é": "'é'",
	} {
		if got := Line("printf", "%s", word); got != "printf %s "+want {
			t.Errorf("%q is %s, want %s", word, got, want)
		}
		out, err := exec.Command("sh", "-c", Line("printf", "%s", word)).Output()
		if err != nil || string(out) != word {
			t.Errorf("%q is read as %q, %v", word, out, err)
		}
	}
	if got := Line(); got != "" {
		t.Errorf("%q", got)
	}
}
