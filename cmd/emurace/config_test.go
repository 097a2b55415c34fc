package main

import (
	"io"
	"slices"
	"strings"
	"testing"
)

// The tables are all commands that do something, and each command with a flag has one.
func TestConfigTables(t *testing.T) {
	want := []string{"explore", "run", "replay", "step", "gdb", "report", "core", "diagnose", "list", "pull", "remove", "find", "script", "test", "man", "completion", "help", "version"}
	if got := tablesOf(newApp(io.Discard, io.Discard).Commands); !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
}

func TestParseConfig(t *testing.T) {
	tables := []string{"explore", "replay"}
	const tooDeep = "nested deeper than 16 levels"
	deep := func(open, shut string) string {
		n := maxConfig / len(open+shut)
		return "[explore]\na = " + strings.Repeat(open, n) + strings.Repeat(shut, n)
	}
	for text, want := range map[string]string{
		"": "", "[explore]": "", "[replay]\nlast = 3\n[explore]\narch = [\"a\", \"b\"]\nkeep-going = true\nx = 1.5": "",
		"[other]":                       `no command "other"`,
		"explore = 3":                   "explore: not a table",
		"[[explore]]":                   "explore: not a table",
		"[explore]\na = {b = 1}":        "",
		"[replay]\na = {b = 1}":         "replay: a: not a text, ",
		"[explore]\na = {b = [1, 2]}":   "explore.a: b: not a text, ",
		"[explore.a]\nb = \"x\"\nc = 3": "",
		"[explore]\na = [[1]]":          "explore: a: not a text, ",
		"[explore]\na = 1979-05-27":     "explore: a: not a text, ",
		"[explore.jobs.deeper]\na = 1":  "explore.jobs: deeper: not a text, ",
		"[explore]\na = ":               "toml: ",
		"\x00":                          "toml: ",
		deep("[", "]"):                  tooDeep,
		deep("{a=", "}"):                tooDeep,
		deep("[", ""):                   tooDeep,
		"[explore]\na = [" + strings.Repeat("1,", maxKeys) + "]":  "more than 1000 keys and values",
		"[" + strings.Repeat("a.", maxConfig/2) + "b]":            tooDeep,
		"[explore]\n" + strings.Repeat("a.", maxConfig/2) + "b=1": tooDeep,
		// What is in strings and comments is not nested.
		"[explore]\na = \"\\\"" + strings.Repeat("[.", 100) + "\" # " + strings.Repeat("{.", 100): "",
		"[explore]\na = \"\"\"\n" + strings.Repeat("[.", 100) + "\"\"\"":                          "",
		"[explore]\na = '" + strings.Repeat("[.", 100) + "\\'\nb = 1":                             "",
		"[explore]\na = \"" + strings.Repeat("[.", 9) + "\nb = " + strings.Repeat("[", 100):       tooDeep,
	} {
		config, err := parseConfig([]byte(text), tables)
		if want == "" && err != nil || want != "" && (err == nil || !strings.HasPrefix(err.Error(), want)) {
			t.Errorf("%.40q: %.100v, want %q", text, err, want)
		}
		if strings.Contains(text, "x = 1.5") && (!slices.Equal(config["explore"].flags["arch"], []string{"a", "b"}) || config["explore"].flags["x"][0] != "1.5" || config["replay"].flags["last"][0] != "3") {
			t.Errorf("%v", config)
		}
		if strings.Contains(text, "c = 3") && !slices.Equal(config["explore"].scenarios["a"], []string{"b=x", "c=3"}) {
			t.Errorf("%v", config)
		}
	}
}

// FuzzConfig: whatever is in a config file, there is an answer, and what is set belongs to
// a command and is bounded.
func FuzzConfig(f *testing.F) {
	for _, s := range []string{"[explore]\narch = [\"a\"]", "[a.b.c]\n", "x = 'y'", "[explore]\na=[[]]", "[explore.a]\nb = 1"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) > maxConfig {
			return
		}
		config, err := parseConfig(data, []string{"explore"})
		if err != nil {
			return
		}
		n := 0
		for table, settings := range config {
			if table != "explore" {
				t.Errorf("a table %q", table)
			}
			for _, values := range settings.flags {
				n += 1 + len(values)
			}
			for _, values := range settings.scenarios {
				n += 1 + len(values)
			}
		}
		if n > maxKeys {
			t.Errorf("%d keys and values", n)
		}
	})
}
