package scripts

import (
	"fmt"
	"strings"
	"testing"

	"emurace/scenario"
)

func TestFind(t *testing.T) {
	for _, s := range All() {
		if found, ok := Find(s.Name); !ok || found != s {
			t.Errorf("%s is not found", s.Name)
		}
		if s.Summary == "" || strings.Contains(s.Summary, "\n") {
			t.Errorf("%s: summary %q", s.Name, s.Summary)
		}
	}
	if _, ok := Find(Default); !ok {
		t.Errorf("%s is not found", Default)
	}
	for _, name := range []string{"", "getenv", "GETENV-SETENV", "getenv-setenv "} {
		if s, ok := Find(name); ok {
			t.Errorf("%q finds %s", name, s.Name)
		}
	}
}

// Of every scenario, the defaults are values that its own checks allow and that
// give a plan, and every parameter says what it is.
func TestDefaults(t *testing.T) {
	for _, s := range All() {
		v, err := s.Settle(nil)
		must(t, err)
		if again, err := s.Settle(s.Settings(v)); err != nil || fmt.Sprint(again) != fmt.Sprint(v) {
			t.Errorf("%s: the defaults %v settle to %v, %v", s.Name, v, again, err)
		}
		if _, err := s.Build(v); err != nil {
			t.Errorf("%s: %v", s.Name, err)
		}
		for _, p := range s.Params {
			if p.Name == "" || p.Help == "" || strings.ContainsAny(p.Name, "= ") {
				t.Errorf("%s: parameter %+v", s.Name, p)
			}
		}
	}
}

func TestParams(t *testing.T) {
	const words = `setting "%s": not one of `
	for setting, want := range map[string]string{
		"entries=2": "", "entries=65": "", "entries=4096": "",
		"entries=1": `setting "entries=1": not a number from 2 to 4096`,
		"entries=0": "not a number", "entries=-66": "not a number", "entries=4097": "not a number", "entries=": "not a number",
		"entries=66x": "not a number", "entries=6.6": "not a number", "entries=0x42": "not a number", "entries= 66": "not a number",
		"entries=99999999999999999999": "not a number",
		"tcache=off":                   "", "tcache=on": "", "tcache=full": "",
		"tcache=":    fmt.Sprintf(words, "tcache=") + `["off" "on" "full"]`,
		"tcache=Off": fmt.Sprintf(words, "tcache=Off") + `["off" "on" "full"]`,
		"setenvs=1":  "", "setenvs=2": "",
		"setenvs=0": fmt.Sprintf(words, "setenvs=0") + `["1" "2"]`,
		"setenvs=3": fmt.Sprintf(words, "setenvs=3") + `["1" "2"]`,
		"name=LANG": "", "name=x y": "",
		"name=":       `setting "name=": a variable's name is not empty`,
		"name=A=B":    `setting "name=A=B": a variable's name holds no =`,
		"name=A\x00B": `setting "name": holds a NUL`,
		"file=":       "", "dir=a=b": "",
		"file=\x00":  `setting "file": holds a NUL`,
		"threads=2":  `setting "threads=2": getenv-setenv has no parameter "threads", only entries, tcache, setenvs, name, file, dir`,
		"entries 66": `setting "entries 66": not NAME=VALUE`,
	} {
		_, err := Get(Default).Settle([]string{setting})
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%q: %v, want %q", setting, err, want)
		}
	}
}

// The plan follows the parameters: one variable less than asked for comes from
// the start, as the last one is set to bring environ to the heap.
func TestPlan(t *testing.T) {
	for _, c := range []struct {
		settings []string
		env      int
		tunables bool
		main     string
		worker   []string
	}{
		{nil, 65, true, `getenv("LANGUAGE")`, []string{
			`setenv("SSL_CERT_FILE", "/etc/ssl/certs/ca-certificates.crt", 1)`, `setenv("SSL_CERT_DIR", "/etc/ssl/certs", 1)`}},
		{[]string{"entries=2", "setenvs=1", "file=", "name=A"}, 1, true, `getenv("A")`, []string{`setenv("SSL_CERT_FILE", "", 1)`}},
		{[]string{"entries=2", "tcache=on"}, 1, false, `getenv("LANGUAGE")`, []string{
			`setenv("SSL_CERT_FILE", "/etc/ssl/certs/ca-certificates.crt", 1)`, `setenv("SSL_CERT_DIR", "/etc/ssl/certs", 1)`}},
		{[]string{"entries=4096", "tcache=full", "file=f", "dir=d"}, 4095, false, `getenv("LANGUAGE")`, []string{
			`setenv("SSL_CERT_FILE", "f", 1)`, `setenv("SSL_CERT_DIR", "d", 1)`}},
	} {
		v, err := Get(Default).Settle(c.settings)
		must(t, err)
		plan, err := Get(Default).Build(v)
		must(t, err)
		if len(plan.Env) != c.env || strings.HasPrefix(plan.Env[0], "GLIBC_TUNABLES=") != c.tunables {
			t.Errorf("%q: %d variables, the first %s", c.settings, len(plan.Env), plan.Env[0])
		}
		if len(plan.Threads) != 2 || plan.Threads[0].Name != scenario.Main {
			t.Fatalf("%q: threads %+v", c.settings, plan.Threads)
		}
		for i, want := range [][]string{{c.main}, c.worker} {
			var got []string
			for {
				call, more, err := plan.Threads[i].Body.Next(make([]uint64, len(got)))
				must(t, err)
				if !more {
					break
				}
				got = append(got, call.String())
			}
			if fmt.Sprint(got) != fmt.Sprint(want) {
				t.Errorf("%q: thread %d calls %q, want %q", c.settings, i, got, want)
			}
		}
	}
	if _, err := Get(Default).Build(scenario.Values{"entries": "many"}); err == nil {
		t.Error("unchecked values give a plan")
	}
}
