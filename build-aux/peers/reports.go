package main

import (
	"encoding/xml"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"syscall"

	"emurace/internal/programs"
)

// finding is what a run has shown: how the program failed, or what the tool reports.
type finding struct {
	Fails   programs.Failure `json:"fails,omitempty"`   // "" if it has not failed
	Code    int              `json:"code,omitempty"`    // for programs.ExitCode
	Reports []string         `json:"reports,omitempty"` // the kinds of reports, each once, in order
	// runs is how many runs of the program it is of, where a tool makes several; else 0.
	runs int
}

// found tells whether there is anything.
func (f finding) found() bool { return f.Fails != "" || len(f.Reports) > 0 }

// String is the finding as a table has it.
func (f finding) String() string {
	list := slices.Clone(f.Reports)
	switch f.Fails {
	case "":
	case programs.Deadlock:
		list = append(list, "hangs")
	case programs.Crash:
		list = append(list, "crashes")
	case programs.Abort:
		list = append(list, "aborts")
	case programs.ExitCode:
		list = append(list, fmt.Sprintf("exit code %d", f.Code))
	}
	return strings.Join(list, ", ")
}

// failing says how a program failed that ran by itself, or in what ends as the program does.
// A program that is not through when its time is up waits for ever: none has much to do.
func failing(e ended) finding {
	switch {
	case e.late:
		return finding{Fails: programs.Deadlock}
	case e.signal == syscall.SIGABRT:
		return finding{Fails: programs.Abort}
	case e.signal != 0:
		return finding{Fails: programs.Crash}
	case e.code != 0:
		return finding{Fails: programs.ExitCode, Code: e.code}
	}
	return finding{}
}

// tsanReport is the first line of a report: sanitizer_common's and tsan's own.
var tsanReport = regexp.MustCompile(`(?m)^(?:==\d+==)?(WARNING|ERROR|FATAL): ThreadSanitizer: ([^\n(]+)`)

// tsanExit is the exit code of a program that was reported of, by default.
const tsanExit = 66

// tsan reads a report of ThreadSanitizer's.
func tsan(e ended) (finding, error) {
	f := failing(e)
	for _, m := range tsanReport.FindAllStringSubmatch(e.report+"\n"+e.said, -1) {
		kind := strings.TrimSpace(m[2])
		switch {
		case m[1] == "FATAL":
			return f, fmt.Errorf("ThreadSanitizer: %s", kind)
		case m[1] == "ERROR" && strings.HasPrefix(kind, "SEGV"):
			f.Fails = programs.Crash // the runtime catches it, says where, and exits
			continue
		}
		f.add(kind)
	}
	if f.Fails == programs.ExitCode && f.Code == tsanExit {
		if len(f.Reports) == 0 {
			return f, fmt.Errorf("ThreadSanitizer: exit code %d without a report: %s", tsanExit, e.said)
		}
		f.Fails, f.Code = "", 0
	} else if f.Fails == programs.Crash {
		f.Code = 0
	}
	return f, nil
}

// add adds a kind of report.
func (f *finding) add(kind string) {
	if !slices.Contains(f.Reports, kind) {
		f.Reports = append(f.Reports, kind)
	}
}

// kinds are Valgrind's kinds of errors in plain words, of hg_errors.c and drd_error.c. Others
// are shown as they are.
var kinds = map[string]string{
	"Race": "data race", "ConflictingAccess": "data race", "LockOrder": "lock order",
	"UnlockUnlocked": "unlocks what is not locked", "UnlockForeign": "unlocks another's lock",
	"MutexErr": "misuse of a mutex", "CondErr": "misuse of a condition variable",
	"CondRaceErr": "signal without the lock", "PthAPIerror": "error of a pthread call",
	"Misc": "misuse of pthreads",
}

// valgrind reads an XML report of Valgrind's, which ends anywhere when the program was ended
// from outside.
func valgrind(e ended) (finding, error) {
	f := failing(e)
	started := false
	d := xml.NewDecoder(strings.NewReader(e.report))
	for {
		token, err := d.Token()
		if err != nil {
			break // its end, or where it was cut off
		}
		start, ok := token.(xml.StartElement)
		if !ok {
			continue
		}
		switch start.Name.Local {
		case "tool":
			started = true
		case "error":
			var report struct {
				Kind string `xml:"kind"`
			}
			if err := d.DecodeElement(&report, &start); err != nil {
				continue
			}
			kind, known := kinds[report.Kind]
			if !known {
				kind = report.Kind
			}
			f.add(kind)
		}
	}
	if !started {
		return f, errors.New("Valgrind has not started: " + e.said)
	}
	return f, nil
}
