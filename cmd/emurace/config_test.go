package main

import (
	"io"
	"slices"
	"strings"
	"testing"
)

// The tables are all commands that do something, and each command with a flag has one.
func TestConfigTables(t *testing.T) {
	want := []string{"explore", "run", "replay", "step", "gdb", "report", "core", "list", "pull", "find", "script", "test", "man", "completion", "version"}
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
		"[other]":                      `no command "other"`,
		"explore = 3":                  "explore: not a table",
		"[[explore]]":                  "explore: not a table",
		"[explore]\na = {b = 1}":       "explore: a: not a text, ",
		"[explore]\na = [[1]]":         "explore: a: not a text, ",
		"[explore]\na = 1979-05-27":    "explore: a: not a text, ",
		"[explore.jobs.deeper]\na = 1": "explore: jobs: not a text, ",
		"[explore]\na = ":              "toml: ",
		"\x00":                         "toml: ",
		deep("[", "]"):                 tooDeep,
		deep("{a=", "}"):               tooDeep,
		deep("[", ""):                  tooDeep,
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
		if strings.Contains(text, "x = 1.5") && (!slices.Equal(config["explore"]["arch"], []string{"a", "b"}) || config["explore"]["x"][0] != "1.5" || config["replay"]["last"][0] != "3") {
			t.Errorf("%v", config)
		}
	}
}

// FuzzConfig: whatever is in a config file, there is an answer, and what is set belongs to
// a command and is bounded.
func FuzzConfig(f *testing.F) {
	for _, s := range []string{"[explore]\narch = [\"a\"]", "[a.b.c]\n", "x = 'y'", "[explore]\na=[[]]"} {
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
			for _, values := range settings {
				n += 1 + len(values)
			}
		}
		if n > maxKeys {
			t.Errorf("%d keys and values", n)
		}
	})
}
