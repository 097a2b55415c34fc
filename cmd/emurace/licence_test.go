package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// allowed are the licences under which code may be linked into a program that is
// GPL-2.0 as a whole. Apache-2.0 is not among them: its patent clauses are
// further restrictions, which the GPL's version 2 forbids.
var allowed = []string{"MIT", "BSD-2-Clause", "BSD-3-Clause", "ISC", "MPL-2.0", "LGPL-2", "GPL-2.0"}

// licenceTexts tells licences by words that each has and the others have not.
// The first that fits counts, so that what others mention or contain comes
// before them.
var licenceTexts = []struct {
	licence string
	words   *regexp.Regexp
}{
	{"Apache-2.0", regexp.MustCompile(`apache license,? version 2\.0`)},
	{"AGPL-3.0", regexp.MustCompile(`gnu affero general public license version`)},
	{"LGPL-3.0", regexp.MustCompile(`gnu lesser general public license version 3`)},
	{"LGPL-2", regexp.MustCompile(`gnu (library|lesser) general public license version 2`)},
	{"GPL-3.0", regexp.MustCompile(`gnu general public license version 3`)},
	{"GPL-2.0", regexp.MustCompile(`gnu general public license version 2`)},
	{"MPL-2.0", regexp.MustCompile(`mozilla public license version 2\.0`)},
	{"BSD-4-Clause", regexp.MustCompile(`redistribution and use in source and binary forms.*all advertising materials mentioning`)},
	{"BSD-3-Clause", regexp.MustCompile(`redistribution and use in source and binary forms.*neither the name`)},
	{"BSD-2-Clause", regexp.MustCompile(`redistribution and use in source and binary forms`)},
	{"ISC", regexp.MustCompile(`permission to use, copy, modify,? and(/or)? distribute this software for any purpose`)},
	{"MIT", regexp.MustCompile(`permission is hereby granted, free of charge, to any person obtaining a copy`)},
}

// classify names the licence of a text, "" for none that is known.
func classify(text string) string {
	text = strings.ToLower(strings.Join(strings.Fields(text), " "))
	for _, l := range licenceTexts {
		if l.words.MatchString(text) {
			return l.licence
		}
	}
	return ""
}

func TestClassify(t *testing.T) {
	for text, want := range map[string]string{
		"MIT License\n\nPermission is hereby granted, free of charge, to any\nperson obtaining a copy":                                       "MIT",
		"Apache License\n  Version 2.0, January 2004":                                                                                        "Apache-2.0",
		"Licensed under the Apache License, Version 2.0 (the License)":                                                                       "Apache-2.0",
		"MIT, where noted: Permission is hereby granted, free of charge, to any person obtaining a copy. Parts: Apache License, Version 2.0": "Apache-2.0",
		"GNU GENERAL PUBLIC LICENSE\n Version 3, 29 June 2007":                                                                               "GPL-3.0",
		"GNU GENERAL PUBLIC LICENSE\n Version 2, June 1991, ... use the GNU Lesser General Public License instead":                           "GPL-2.0",
		"GNU LESSER GENERAL PUBLIC LICENSE\nVersion 2.1, February 1999 ... the ordinary GNU General Public License":                          "LGPL-2",
		"GNU LESSER GENERAL PUBLIC LICENSE Version 3":                                                                                        "LGPL-3.0",
		"GNU Affero General Public License\nVersion 3":                                                                                       "AGPL-3.0",
		"Mozilla Public License Version 2.0":                                                                                                 "MPL-2.0",
		"Redistribution and use in source and binary forms are permitted":                                                                    "BSD-2-Clause",
		"Redistribution and use in source and binary forms: All advertising materials mentioning features. Neither the name":                 "BSD-4-Clause",
		"Permission to use, copy, modify, and/or distribute this software for any purpose":                                                   "ISC",
		"All rights reserved.": "",
		"":                     "",
	} {
		if got := classify(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
	for file, want := range map[string]string{
		filepath.Join(strings.TrimSpace(goCommand(t, "env", "GOROOT")), "LICENSE"): "BSD-3-Clause",
		filepath.Join("..", "..", "LICENSE"):                                       "GPL-2.0",
	} {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if got := classify(string(b)); got != want {
			t.Errorf("%s: %q, want %q", file, got, want)
		}
	}
}

// goCommand runs the go command that runs the tests.
func goCommand(t *testing.T, args ...string) string {
	t.Helper()
	cmd := exec.Command("go", args...)
	cmd.Env = append(os.Environ(), "GOWORK=off") // a workspace lists what is not built here
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

// TestLicences: every module that is linked into the program has a licence, and
// one that goes with the GPL.
func TestLicences(t *testing.T) {
	lines := strings.Split(goCommand(t, "list", "-deps", "-f", "{{with .Module}}{{.Path}}\t{{.Dir}}{{end}}", "."), "\n")
	slices.Sort(lines)
	lines = slices.DeleteFunc(slices.Compact(lines), func(l string) bool { return l == "" })
	if len(lines) < 5 || !slices.ContainsFunc(lines, func(l string) bool { return strings.HasPrefix(l, "github.com/unicorn-engine/unicorn\t") }) {
		t.Fatalf("the program is said to be made of %q only", lines)
	}
	packages := goCommand(t, "list", "-deps", ".")
	for _, line := range lines {
		module, dir, _ := strings.Cut(line, "\t")
		found := licencesOf(t, dir)
		if m, ok := mixed[module]; ok {
			if len(found) == 0 || found[0] != "Apache-2.0" {
				t.Errorf("%s has %q: it needs no word of ours", module, found)
			}
			for linked := range strings.FieldsSeq(packages) {
				if rest, ok := strings.CutPrefix(linked, module+"/"); ok && !slices.Contains(m.linked, rest) {
					t.Errorf("%s is linked: say under which licence it is", linked)
				}
			}
			found = []string{m.licence}
		}
		t.Logf("%s: %s", module, strings.Join(found, ", "))
		if len(found) == 0 {
			t.Errorf("%s: no licence in %s", module, dir)
		}
		for _, l := range found {
			if !slices.Contains(allowed, l) {
				t.Errorf("%s: licence %q is not one of %s", module, l, strings.Join(allowed, ", "))
			}
		}
	}
}

// mixed are modules whose one file of licences has several, each for some folders: the packages that
// may be linked, and their licence. klauspost/compress has its gzhttp under Apache-2.0; the packages
// here have what the file begins with, and zstd's xxhash is MIT.
var mixed = map[string]struct {
	licence string
	linked  []string
}{
	"github.com/klauspost/compress": {"BSD-3-Clause", []string{"zstd", "zstd/internal/xxhash", "huff0", "fse", "internal/cpuinfo", "internal/le", "internal/snapref"}},
}

var licenceName = regexp.MustCompile(`(?i)^(licen[cs]e|copying|unlicense)([._-].*)?$`)

// licencesOf names the licences whose texts lie in a module's own folder.
func licencesOf(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, e := range entries {
		if e.IsDir() || !licenceName.MatchString(e.Name()) {
			continue
		}
		b, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		found = append(found, classify(string(b)))
	}
	slices.Sort(found)
	return slices.Compact(found)
}
