package suite

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"emurace/scenario"
)

// some are results of every kind, with what is hard to write down in them.
func some() []Result {
	off := uint64(0x94)
	on := func(name, file, sysroot string) Test {
		return Test{Name: name, File: file, System: System{Sysroot: sysroot, Arch: "arm64", Version: "2.36"}, Declared: 1, Line: 7, Want: &scenario.Expected{Verdict: "clean"}}
	}
	return []Result{
		{Test: on("a.star", "dir/a b.star", "debian:bookworm"), Status: OK, Got: &Shown{Verdict: "clean", Complete: true, Schedules: 12}, Took: 1500 * time.Millisecond, Command: "emurace explore a.star"},
		{
			Test: on("a.star", "dir/a b.star", "debian:trixie"), Status: Differs, Reasons: []string{"failing (segv), expected clean"}, Took: time.Second,
			Got:     &Shown{Verdict: "failing", Schedules: 3, Findings: []Found{{Kind: "segv", Thread: "main", Function: "getenv", Offset: &off, Source: "getenv.c:84"}, {Kind: "check", Message: "<it> & \"that\"\x1b[2J]]>\n::error::x"}}},
			Command: "emurace explore 'dir/a b.star'", Trace: "t/a.trace",
		},
		{Test: on("getenv-setenv", "", "host"), Status: UndecidedTest, Reasons: []string{"expected clean: the time was up"}, Got: &Shown{Verdict: "undecided", Schedules: 1}},
		{Test: on("getenv-putenv", "", "host"), Status: Differs, Reasons: []string{"failing"}, Got: &Shown{Verdict: "failing", Findings: []Found{{Kind: "segv", Function: "getenv", Source: "getenv.c:84"}}}},
		{Test: on("%,:\n.star", "/abs/%,:\n.star", "./f"), Status: Error, Code: 2, Reasons: []string{"x.star:1:1: 100% wrong\r\n"}, Hint: "mend it"},
	}
}

// TestJUnit: a report is XML, says of each test what it was, and its counts are right.
func TestJUnit(t *testing.T) {
	var b bytes.Buffer
	if err := JUnit(&b, some()); err != nil {
		t.Fatal(err)
	}
	for d := xml.NewDecoder(bytes.NewReader(b.Bytes())); ; {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatalf("%v\n%s", err, &b)
		}
	}
	var got struct {
		Tests    int `xml:"tests,attr"`
		Failures int `xml:"failures,attr"`
		Errors   int `xml:"errors,attr"`
		Suites   []struct {
			Name  string `xml:"name,attr"`
			Tests int    `xml:"tests,attr"`
			Time  string `xml:"time,attr"`
			Cases []struct {
				Name    string `xml:"name,attr"`
				Class   string `xml:"classname,attr"`
				File    string `xml:"file,attr"`
				Time    string `xml:"time,attr"`
				Failure *struct {
					Message string `xml:"message,attr"`
					Type    string `xml:"type,attr"`
					Text    string `xml:",chardata"`
				} `xml:"failure"`
				Error *struct {
					Type string `xml:"type,attr"`
				} `xml:"error"`
			} `xml:"testcase"`
		} `xml:"testsuite"`
	}
	if err := xml.Unmarshal(b.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	if got.Tests != 5 || got.Failures != 3 || got.Errors != 1 || len(got.Suites) != 4 {
		t.Fatalf("%+v", got)
	}
	first := got.Suites[0]
	if first.Name != "a.star" || first.Tests != 2 || first.Time != "2.500" || first.Cases[0].Failure != nil || first.Cases[0].Name != "debian:bookworm arm64" || first.Cases[0].File != "dir/a b.star" {
		t.Errorf("%+v", first)
	}
	f := first.Cases[1].Failure
	if f == nil || f.Type != "differs" || f.Message != "failing (segv), expected clean" || !strings.Contains(f.Text, "segv: main in getenv+0x94 (getenv.c:84)") || !strings.Contains(f.Text, "show it: emurace explore 'dir/a b.star'") || strings.Contains(f.Text, "\x1b") {
		t.Errorf("%+v", f)
	}
	if u := got.Suites[1].Cases[0].Failure; u == nil || u.Type != "undecided" {
		t.Errorf("%+v", u)
	}
	if e := got.Suites[3].Cases[0]; e.Error == nil || e.Failure != nil || e.Error.Type != "error" {
		t.Errorf("%+v", e)
	}
}

// required are the properties that the schema of SARIF 2.1.0 requires, and one of several where it
// leaves a choice, by where they stand.
var required = map[string][]string{
	"":                       {"version", "runs"},
	"runs":                   {"tool"},
	"runs.tool":              {"driver"},
	"runs.tool.driver":       {"name"},
	"runs.tool.driver.rules": {"id"},
	"runs.invocations":       {"executionSuccessful"},
	"runs.results":           {"message"},
	"runs.results.message":   {"text"},
	"runs.results.locations.physicalLocation":                         {"artifactLocation"},
	"runs.results.locations.physicalLocation.artifactLocation":        {"uri"},
	"runs.results.relatedLocations.physicalLocation":                  {"artifactLocation"},
	"runs.results.relatedLocations.physicalLocation.artifactLocation": {"uri"},
	"runs.results.relatedLocations.message":                           {"text"},
	"runs.tool.driver.rules.shortDescription":                         {"text"},
}

// TestSARIF: a log has what the schema requires, and each result is where its file says.
func TestSARIF(t *testing.T) {
	var b bytes.Buffer
	if err := SARIF(&b, some(), "1.2.3", 1); err != nil {
		t.Fatal(err)
	}
	var log any
	if err := json.Unmarshal(b.Bytes(), &log); err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	var walk func(at string, v any)
	walk = func(at string, v any) {
		switch v := v.(type) {
		case []any:
			for _, x := range v {
				walk(at, x)
			}
		case map[string]any:
			seen[at] = true
			for _, name := range required[at] {
				if x, ok := v[name]; !ok || x == "" {
					t.Errorf("%s has no %s", at, name)
				}
			}
			for name, x := range v {
				walk(strings.TrimPrefix(at+"."+name, "."), x)
			}
		}
	}
	walk("", log)
	for at := range required {
		if !seen[at] {
			t.Errorf("there is no %s", at)
		}
	}
	var got sarifLog
	if err := json.Unmarshal(b.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	run := got.Runs[0]
	if got.Version != "2.1.0" || run.Tool.Driver.Version != "1.2.3" || !run.Invocations[0].Successful || len(run.Results) != 4 {
		t.Fatalf("%+v", got)
	}
	for i, want := range []struct{ rule, level, uri string }{
		{"differs", "error", "dir/a%20b.star"}, {"undecided", "warning", ""}, {"differs", "error", "getenv.c"}, {"error", "error", "file:///abs/%25,:%0A.star"},
	} {
		r := run.Results[i]
		uri := ""
		if len(r.Locations) > 0 {
			uri = r.Locations[0].Physical.Artifact.URI
		}
		if r.RuleID != want.rule || r.Level != want.level || uri != want.uri || run.Tool.Driver.Rules[r.RuleIndex].ID != r.RuleID || r.Fingerprints["emurace/v1"] == "" {
			t.Errorf("%+v, want %+v", r, want)
		}
	}
	first := run.Results[0]
	if len(first.Related) != 1 || first.Related[0].Logical[0].Full != "getenv" || first.Related[0].Physical.Region.Line != 84 || first.Locations[0].Physical.Region.Line != 7 {
		t.Errorf("%+v", first)
	}
	b.Reset()
	if err := SARIF(&b, some()[:1], "1", 0); err != nil || !strings.Contains(b.String(), `"results": []`) {
		t.Errorf("%v: %s", err, &b)
	}
}

// TestGitHub: an annotation is one line, and nothing in it begins another one.
func TestGitHub(t *testing.T) {
	var lines []string
	for _, r := range some() {
		var b bytes.Buffer
		if err := GitHub(&b, &r); err != nil {
			t.Fatal(err)
		}
		if strings.Count(b.String(), "\n") > 1 || b.Len() > 0 && !strings.HasPrefix(b.String(), "::error ") {
			t.Errorf("%q", b.String())
		}
		lines = append(lines, b.String())
	}
	if lines[0] != "" {
		t.Errorf("%q", lines[0])
	}
	if !strings.HasPrefix(lines[1], "::error file=dir/a b.star,line=7,title=a.star on debian%3Atrixie arm64%3A differs::failing (segv), expected clean%0Asegv: main") || strings.Contains(lines[1], "\x1b") {
		t.Errorf("%q", lines[1])
	}
	if !strings.HasPrefix(lines[2], "::error title=getenv-setenv on host arm64%3A undecided::") {
		t.Errorf("%q", lines[2])
	}
	if !strings.HasPrefix(lines[4], `::error file=/abs/%25%2C%3A\n.star,line=7,title=%25%2C%3A\n.star on `) || !strings.Contains(lines[4], `100%25 wrong\r\n`) {
		t.Errorf("%q", lines[4])
	}
}

// FuzzGitHub: whatever a script and a guest say, the properties and the text of an annotation are
// what they were.
func FuzzGitHub(f *testing.F) {
	f.Add("a.star", "x", "main")
	f.Add("%3A,::", "\n::error::y\r", "\x1b")
	f.Fuzz(func(t *testing.T, name, reason, function string) {
		r := Result{Test: Test{Name: name, File: name}, Status: Differs, Reasons: []string{reason}, Got: &Shown{Verdict: Failing, Findings: []Found{{Kind: "segv", Function: function}}}}
		var b bytes.Buffer
		if err := GitHub(&b, &r); err != nil {
			t.Fatal(err)
		}
		line, ended := strings.CutSuffix(b.String(), "\n")
		head, _, found := strings.Cut(line, "::error ")
		if !ended || !found || head != "" || strings.ContainsAny(line, "\r\n\x1b") {
			t.Fatalf("%q", b.String())
		}
		// A runner takes the properties up to the next two colons.
		properties, _, _ := strings.Cut(strings.TrimPrefix(line, "::error "), "::")
		want := 3
		if name == "" {
			want = 1
		}
		if n := len(strings.Split(properties, ",")); n != want {
			t.Errorf("%d properties: %q", n, properties)
		}
		if err := JUnit(io.Discard, []Result{r}); err != nil {
			t.Error(err)
		}
		if err := SARIF(io.Discard, []Result{r}, "1", 1); err != nil {
			t.Error(err)
		}
	})
}

// TestKinds: each once, and in order.
func TestKinds(t *testing.T) {
	if got := (&Shown{Findings: []Found{{Kind: "segv"}, {Kind: "check"}, {Kind: "segv"}}}).Kinds(); !slices.Equal(got, []string{"check", "segv"}) {
		t.Error(got)
	}
}
