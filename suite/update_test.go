package suite

import (
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"emurace/scenario"
	"emurace/scripts"
)

// read is the expectations of a script.
func read(t interface{ Fatal(...any) }, text string) []scenario.Expected {
	script, err := scripts.Compile("x.star", text)
	if err != nil {
		t.Fatal(err)
	}
	sc, err := script.Scenario()
	if err != nil {
		t.Fatal(err)
	}
	return sc.Expected
}

const threads = `"""A scenario."""
thread("main", lambda t: t.call("getpid"))
thread("worker", lambda t: t.call("getpid"))
`

// seen is a result of a scenario's on a system.
func seen(list []scenario.Expected, version, arch, verdict string, kinds ...string) Result {
	r := Result{Test: Test{System: System{Sysroot: "x", Arch: arch, Version: version}, Declared: len(list)}, Got: &Shown{Verdict: verdict, Complete: verdict != Undecided}}
	for _, k := range kinds {
		r.Got.Findings = append(r.Got.Findings, Found{Kind: k})
	}
	about := About(list, version, arch)
	if r.About = len(about); r.About == 1 {
		r.Want = &about[0]
	}
	code := 0
	if verdict == Failing {
		code = 1
	}
	r.Judge(code, 0)
	return r
}

// TestUpdate: what differs is replaced, what is missing added, and the rest stays as it is.
func TestUpdate(t *testing.T) {
	type see struct{ version, arch, verdict, kinds string }
	for _, c := range []struct {
		name, before, after string
		sees                []see
	}{
		{"nothing differs", "expect( 'clean' )  # x\n", "expect( 'clean' )  # x\n", []see{{"2.36", "arm64", Clean, ""}}},
		{"none", "", "\nexpect(\"clean\", libc = \"2.36\", arch = \"arm64\")\n", []see{{"2.36", "arm64", Clean, ""}}},
		{"both architectures", "", "\nexpect(\"clean\", libc = \"2.36 2.41\")\n", []see{{"2.41", "arm64", Clean, ""}, {"2.36", "amd64", Clean, ""}, {"2.36", "arm64", Clean, ""}, {"2.41", "amd64", Clean, ""}}},
		{"replaced", "expect(\"clean\", libc = \"2.36\", arch = \"arm64\") # x", "expect(\"failing\", libc = \"2.36\", arch = \"arm64\", kind = \"segv\") # x", []see{{"2.36", "arm64", Failing, "segv"}}},
		{"a why that holds", "expect('failing', kind = 'segv', libc = '2.36', arch = 'arm64', why = 'so \"it\" is')\n", "expect(\"failing\", libc = \"2.36\", arch = \"arm64\", kind = \"check segv\", why = \"so \\\"it\\\" is\")\n", []see{{"2.36", "arm64", Failing, "segv check"}}},
		{"one that stays for others", "expect('clean', libc = '2.36 2.41', search = '--seed 3')\n", "expect(\"clean\", libc = \"2.41\", search = \"--seed 3\")\nexpect(\"clean\", libc = \"2.36\", arch = \"amd64\", search = \"--seed 3\")\nexpect(\"failing\", libc = \"2.36\", arch = \"arm64\", kind = \"check\", search = \"--seed 3\")\n", []see{{"2.36", "arm64", Failing, "check"}}},
		{"one for all", "expect('clean')\nx = 1", "expect(\"clean\", libc = \"2.36\", arch = \"arm64\")\nexpect(\"failing\", libc = \"2.31\", arch = \"arm64\", kind = \"check\")\nx = 1", []see{{"2.36", "arm64", Clean, ""}, {"2.31", "arm64", Failing, "check"}}},
		{"added behind", "expect('clean', libc = '2.36')\nx = 1\n", "expect('clean', libc = '2.36')\nexpect(\"failing\", libc = \"2.9\", arch = \"arm64\", kind = \"check\")\nx = 1\n", []see{{"2.9", "arm64", Failing, "check"}}},
		{"two for one", "expect('clean', libc = '2.36', arch = 'arm64')\nexpect('failing', kind = 'segv', libc = '2.36', arch = 'arm64')\nx = 1\n", "expect(\"clean\", libc = \"2.36\", arch = \"arm64\")\nx = 1\n", []see{{"2.36", "arm64", Clean, ""}}},
		{"undecided by the time", "expect('clean')\n", "expect('clean')\n", []see{{"2.36", "arm64", Undecided, ""}}},
		{"undecided as drawn", "expect('failing', kind = 'segv', libc = '2.36', arch = 'arm64', search = '--schedules 9')\n", "expect(\"undecided\", libc = \"2.36\", arch = \"arm64\", search = \"--schedules 9\")\n", []see{{"2.36", "arm64", Undecided, ""}}},
		{"other letters", "x = 'ä漢'; expect('clean', libc = '2.36', arch = 'arm64'); y = 'ü'\n", "x = 'ä漢'; expect(\"failing\", libc = \"2.36\", arch = \"arm64\", kind = \"segv\"); y = 'ü'\n", []see{{"2.36", "arm64", Failing, "segv"}}},
		{"on several lines", "expect(\n    'clean',\n    libc = '2.36',  # this\n    arch = 'arm64',\n)\nx = 1\n", "expect(\"failing\", libc = \"2.36\", arch = \"arm64\", kind = \"segv\")\nx = 1\n", []see{{"2.36", "arm64", Failing, "segv"}}},
	} {
		before := threads + c.before
		expected := read(t, before)
		var results []Result
		for _, s := range c.sees {
			results = append(results, seen(expected, s.version, s.arch, s.verdict, strings.Fields(s.kinds)...))
		}
		after, err := Update(before, expected, results, 0)
		if err != nil || after != threads+c.after {
			t.Errorf("%s: %v\n%s\nwant\n%s", c.name, err, strings.TrimPrefix(after, threads), c.after)
		}
	}
	made := threads + "for v in ['2.36']:\n    expect('clean', libc = v)\n"
	if _, err := Update(made, read(t, made), []Result{seen(read(t, made), "2.36", "arm64", Failing, "segv")}, 0); err == nil {
		t.Error("expectations that a loop makes are rewritten")
	}
}

// TestUpdateHolds: what was written is what was seen, on each system, and says of those that were
// not run what it said before where that names its libcs; and then nothing is left to write.
func TestUpdateHolds(t *testing.T) {
	versions := []string{"2.31", "2.36", "2.41"}
	rapid.Check(t, func(t *rapid.T) {
		var b strings.Builder
		b.WriteString(threads)
		for range rapid.IntRange(0, 4).Draw(t, "expectations") {
			list := rapid.SliceOfNDistinct(rapid.SampledFrom(versions), 1, 3, rapid.ID).Draw(t, "libc")
			b.WriteString("expect('clean', libc = '" + strings.Join(list, " ") + "'")
			if arch := rapid.SampledFrom([]string{"", "arm64", "amd64"}).Draw(t, "arch"); arch != "" {
				b.WriteString(", arch = '" + arch + "'")
			}
			b.WriteString(rapid.SampledFrom([]string{")\n", ") # é\n", "); a = 1\n", ")\nb = 2\n"}).Draw(t, "end"))
		}
		text := b.String()
		expected := read(t, text)
		results := func(list []scenario.Expected, sees map[place]string) (out []Result) {
			for _, v := range versions {
				for _, arch := range arches {
					if verdict, ran := sees[place{v, arch}]; ran {
						var kinds []string
						if verdict == Failing {
							kinds = []string{"segv"}
						}
						out = append(out, seen(list, v, arch, verdict, kinds...))
					}
				}
			}
			return out
		}
		sees := map[place]string{}
		for _, v := range versions {
			for _, arch := range arches {
				if rapid.Bool().Draw(t, "runs") {
					sees[place{v, arch}] = rapid.SampledFrom([]string{Clean, Failing}).Draw(t, "verdict")
				}
			}
		}
		after, err := Update(text, expected, results(expected, sees), 0)
		if err != nil {
			t.Fatal(err)
		}
		now := read(t, after)
		for _, v := range versions {
			for _, arch := range arches {
				about := About(now, v, arch)
				verdict, ran := sees[place{v, arch}]
				if ran && (len(about) != 1 || about[0].Verdict != verdict) {
					t.Fatalf("%s %s: %+v, seen %s\n%s\n%s", v, arch, about, verdict, text, after)
				}
				if was := About(expected, v, arch); !ran && len(was) != len(about) {
					t.Fatalf("%s %s was not run: %+v, was %+v\n%s\n%s", v, arch, about, was, text, after)
				}
			}
		}
		if strings.Count(after, "é") != strings.Count(text, "é") || strings.Count(after, "a = 1")+strings.Count(after, "b = 2") != strings.Count(text, "a = 1")+strings.Count(text, "b = 2") {
			t.Fatalf("more than expectations was changed:\n%s\n%s", text, after)
		}
		if again, err := Update(after, now, results(now, sees), 0); err != nil || again != after {
			t.Fatalf("%v\n%s\n%s", err, after, again)
		}
	})
}

// FuzzUpdate: whatever a script looks like, what it becomes is a script with the same threads, or
// there is an error.
func FuzzUpdate(f *testing.F) {
	for _, s := range []string{"expect('clean')", "if True:\n    expect('clean')", "expect('clean'); expect('failing', kind='x')", "e = expect\ne('clean')", "\"\"\"expect('clean')\"\"\"\nexpect(\n'clean')\\\n", "expect('cl\u00e9an')"} {
		f.Add(threads + s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		script, err := scripts.Compile("x.star", text)
		if err != nil {
			return
		}
		sc, err := script.Scenario()
		if err != nil || slices.ContainsFunc(sc.Expected, func(e scenario.Expected) bool { return len(e.Libc) > 0 || e.Arch != "" }) {
			return
		}
		after, err := Update(text, sc.Expected, []Result{seen(sc.Expected, "2.36", "arm64", Failing, "segv")}, 0)
		if err != nil {
			return
		}
		now := About(read(t, after), "2.36", "arm64")
		if len(now) != 1 || now[0].Verdict != Failing {
			t.Errorf("%q becomes %q: %+v", text, after, now)
		}
		if lines := Lines(text, len(sc.Expected)); lines != nil && len(lines) != len(sc.Expected) {
			t.Errorf("%q: lines %v", text, lines)
		}
	})
}
