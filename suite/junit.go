package suite

import (
	"encoding/xml"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"emurace/internal/printable"
)

// The elements of a JUnit report, as CI systems read them.
type (
	junitReport struct {
		XMLName  xml.Name     `xml:"testsuites"`
		Name     string       `xml:"name,attr"`
		Tests    int          `xml:"tests,attr"`
		Failures int          `xml:"failures,attr"`
		Errors   int          `xml:"errors,attr"`
		Skipped  int          `xml:"skipped,attr"`
		Time     string       `xml:"time,attr"`
		Suites   []junitSuite `xml:"testsuite"`
	}
	junitSuite struct {
		Name     string      `xml:"name,attr"`
		Tests    int         `xml:"tests,attr"`
		Failures int         `xml:"failures,attr"`
		Errors   int         `xml:"errors,attr"`
		Skipped  int         `xml:"skipped,attr"`
		Time     string      `xml:"time,attr"`
		Cases    []junitCase `xml:"testcase"`
	}
	junitCase struct {
		Name      string        `xml:"name,attr"`
		Class     string        `xml:"classname,attr"`
		File      string        `xml:"file,attr,omitempty"`
		Line      int           `xml:"line,attr,omitempty"`
		Time      string        `xml:"time,attr"`
		Failure   *junitProblem `xml:"failure,omitempty"`
		Error     *junitProblem `xml:"error,omitempty"`
		SystemOut string        `xml:"system-out,omitempty"`
	}
	junitProblem struct {
		Message string `xml:"message,attr"`
		Type    string `xml:"type,attr"`
		Text    string `xml:",chardata"`
	}
)

// JUnit writes results as a JUnit report: a test suite for each scenario with a test case for
// each system. One that differs or is undecided is a failure, of that type.
func JUnit(w io.Writer, results []Result) error {
	report := junitReport{Name: "emurace"}
	var all, took time.Duration
	for i := range results {
		r := &results[i]
		n := len(report.Suites) - 1
		if n < 0 || report.Suites[n].Name != r.Name {
			report.Suites = append(report.Suites, junitSuite{Name: r.Name})
			n, took = n+1, 0
		}
		s := &report.Suites[n]
		c := junitCase{Name: r.Sysroot + " " + r.Arch, Class: r.Name, File: r.File, Time: seconds(r.Took), SystemOut: r.Seen()}
		if r.File != "" {
			c.Line = r.Line
		}
		problem := &junitProblem{Message: strings.Join(r.Reasons, "; "), Type: string(r.Status), Text: r.detail()}
		switch r.Status {
		case OK:
		case Error:
			c.Error = problem
			s.Errors++
			report.Errors++
		default:
			c.Failure = problem
			s.Failures++
			report.Failures++
		}
		s.Cases = append(s.Cases, c)
		s.Tests++
		report.Tests++
		took += r.Took
		all += r.Took
		s.Time, report.Time = seconds(took), seconds(all)
	}
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}
	e := xml.NewEncoder(w)
	e.Indent("", "  ")
	if err := e.Encode(report); err != nil {
		return err
	}
	_, err := io.WriteString(w, "\n")
	return err
}

func seconds(d time.Duration) string { return strconv.FormatFloat(d.Seconds(), 'f', 3, 64) }

// Seen is what a search has shown, in a line; "" without a result.
func (r *Result) Seen() string {
	if r.Got == nil {
		return ""
	}
	text := fmt.Sprintf("%s, %s", Text(r.Got.Verdict, r.Got.Kinds()), count(int(min(r.Got.Schedules, 1<<62)), "schedule"))
	for _, f := range r.Got.Findings {
		text += "; " + f.Where()
		break
	}
	return printable.Line(text)
}

// Where is a finding in a few words, as in "segv: main in getenv+0x94 (getenv.c:84)".
func (f *Found) Where() string {
	text := f.Kind
	if f.Function != "" || f.Thread != "" {
		text += ":"
	}
	if f.Thread != "" {
		text += " " + f.Thread
	}
	if f.Function != "" {
		text += " in " + f.Function
		if f.Offset != nil {
			text += fmt.Sprintf("+%#x", *f.Offset)
		}
	}
	if f.Source != "" {
		text += " (" + f.Source + ")"
	}
	if f.Message != "" && f.Function == "" {
		text += ": " + f.Message
	}
	return printable.Line(text)
}

// detail is all that there is to say of a test that has failed, a line each.
func (r *Result) detail() string {
	lines := append([]string{}, r.Reasons...)
	if r.Hint != "" {
		lines = append(lines, "hint: "+r.Hint)
	}
	if r.Got != nil {
		for _, f := range r.Got.Findings {
			lines = append(lines, f.Where())
		}
	}
	if r.Trace != "" {
		lines = append(lines, "trace: "+r.Trace)
	}
	if r.Command != "" {
		lines = append(lines, "show it: "+r.Command)
	}
	for i, l := range lines {
		lines[i] = printable.Line(l)
	}
	return strings.Join(lines, "\n")
}
