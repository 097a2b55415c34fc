package logging

import (
	"strings"
	"testing"
)

func TestTopics(t *testing.T) {
	for list, want := range map[string]string{
		"syscalls":               "syscalls: a 1\n",
		"search,boot":            "search: b 2\nboot: c 3\n",
		"boot, syscalls":         "syscalls: a 1\nboot: c 3\n",
		"syscalls,syscalls,boot": "syscalls: a 1\nboot: c 3\n",
	} {
		var b strings.Builder
		l, err := New(&b, list)
		if err != nil {
			t.Fatalf("%q: %v", list, err)
		}
		l.Printf(Syscalls, "a %d", 1)
		l.Printf(Search, "b %d", 2)
		l.Printf(Boot, "c %d", 3)
		if b.String() != want {
			t.Errorf("%q: wrote %q, want %q", list, b.String(), want)
		}
	}
}

func TestOff(t *testing.T) {
	l, err := New(nil, "")
	if l != nil || err != nil {
		t.Fatalf("%v, %v", l, err)
	}
	for _, topic := range Topics() {
		if l.On(topic) {
			t.Errorf("%s is on", topic)
		}
		l.Printf(topic, "nobody reads this")
	}
}

func TestNoTopic(t *testing.T) {
	for _, list := range []string{"calls", "syscalls,", "Search", "boot;search"} {
		if l, err := New(nil, list); err == nil || l != nil || !strings.Contains(err.Error(), "not syscalls, search or boot") {
			t.Errorf("%q: %v, %v", list, l, err)
		}
	}
}

// A guest names its files as it likes.
func TestEscapes(t *testing.T) {
	var b strings.Builder
	l, err := New(&b, "boot")
	if err != nil {
		t.Fatal(err)
	}
	l.Printf(Boot, "opened %s", "/a\x1b[2J\nboot: /b")
	if want := `boot: opened /a\x1b[2J\nboot: /b` + "\n"; b.String() != want {
		t.Errorf("wrote %q, want %q", b.String(), want)
	}
}
