package step

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// keysTable is the table of docs/step.md.
func keysTable() string {
	var b strings.Builder
	group := ""
	for _, k := range bindings {
		if k.group == "" {
			continue
		}
		if k.group != group {
			group = k.group
			fmt.Fprintf(&b, "\n| %s | | gdb |\n| --- | --- | --- |\n", group)
		}
		h, gdb := k.keys.Help(), ""
		if k.gdb != "" {
			gdb = "`" + k.gdb + "`"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", h.Key, h.Desc, gdb)
	}
	return b.String() + "\n"
}

// The keys in docs/step.md are those that there are.
func TestKeysDoc(t *testing.T) {
	file := filepath.Join("..", "..", "docs", "step.md")
	text, err := os.ReadFile(file)
	must(t, err)
	before, rest, ok := strings.Cut(string(text), "-update -->\n")
	_, after, found := strings.Cut(rest, "<!-- end of keys -->")
	if !ok || !found {
		t.Fatalf("%s has no place for the keys", file)
	}
	want := before + "-update -->\n" + keysTable() + "<!-- end of keys -->" + after
	if *update {
		must(t, os.WriteFile(file, []byte(want), 0o644))
		return
	}
	if string(text) != want {
		t.Errorf("%s is stale; run: go test ./replay/step -run TestKeysDoc -update", file)
	}
}

// No key is meant for two things, and each is for one.
func TestBindings(t *testing.T) {
	seen := map[string]bool{}
	for _, b := range bindings {
		if b.do == nil {
			continue // it stands for others in the help
		}
		for _, k := range b.keys.Keys() {
			if seen[k] {
				t.Errorf("the key %q is there twice", k)
			}
			seen[k] = true
		}
	}
	for _, k := range strings.Fields("s n c f S N C F t T m M g home end / > < ? q w b x o r W L tab z v i up down left right pgup pgdown : D + -") {
		if !seen[k] {
			t.Errorf("nothing is bound to %q", k)
		}
	}
	for i := range 9 {
		if n, times, ok := threadKey(fmt.Sprint(i + 1)); !ok || n != i || times != 1 {
			t.Errorf("the key %d runs thread %d", i+1, n)
		}
	}
}
