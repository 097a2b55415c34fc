package main

import (
	"slices"
	"strings"
	"syscall"
	"testing"

	"emurace/internal/programs"
)

// Reports as the tools write them.
const (
	tsanRace = `==================
WARNING: ThreadSanitizer: data race (pid=12950)
  Read of size 4 at 0x560ce929b05c by thread T2:
    #0 add lost_update.c:16 (bug+0x11d8)

SUMMARY: ThreadSanitizer: data race lost_update.c:16 in add
==================
`
	tsanOrder = `==================
WARNING: ThreadSanitizer: lock-order-inversion (potential deadlock) (pid=12962)
  Cycle in lock order graph: M0 (0x55b95d6710e0) => M1 (0x55b95d6710a0) => M0
==================
`
	tsanSegv = `ThreadSanitizer:DEADLYSIGNAL
==77==ERROR: ThreadSanitizer: SEGV on unknown address 0x000000000000 (pc 0x5581 bp 0x7ffd sp 0x7ffd T77)
==77==The signal is caused by a READ memory access.
`
	tsanMemory = "FATAL: ThreadSanitizer: unexpected memory mapping 0x6094d4d6d000-0x6094d4d92000\n"

	valgrindHead = `<?xml version="1.0"?>
<valgrindoutput>
<protocolversion>4</protocolversion>
<protocoltool>helgrind</protocoltool>
<pid>13091</pid>
<tool>helgrind</tool>
<status><state>RUNNING</state></status>
<announcethread><hthreadid>2</hthreadid></announcethread>
`
	valgrindRace = `<error>
  <unique>0x0</unique>
  <tid>1</tid>
  <kind>Race</kind>
  <xwhat><text>Possible data race during read of size 4 at 0x10C05C by thread #3</text></xwhat>
  <stack><frame><ip>0x109178</ip></frame></stack>
</error>
`
	valgrindEnd = `<status><state>FINISHED</state></status>
<errorcounts><pair><count>1</count><unique>0x0</unique></pair></errorcounts>
<suppcounts><pair><count>11</count><name>helgrind-glibc2X-005</name></pair></suppcounts>
</valgrindoutput>
`
)

func TestReports(t *testing.T) {
	order := strings.ReplaceAll(valgrindRace, "<kind>Race<", "<kind>LockOrder<")
	other := strings.ReplaceAll(valgrindRace, "<kind>Race<", "<kind>BarrierErr<")
	for _, c := range []struct {
		name  string
		read  func(ended) (finding, error)
		ended ended
		want  string // the finding
		err   string
	}{
		{"well", itself, ended{}, "", ""},
		{"an exit code", itself, ended{code: 3}, "exit code 3", ""},
		{"an abort", itself, ended{signal: syscall.SIGABRT}, "aborts", ""},
		{"a crash", itself, ended{signal: syscall.SIGSEGV}, "crashes", ""},
		{"a hang", itself, ended{late: true}, "hangs", ""},

		{"tsan: well", tsan, ended{}, "", ""},
		{"tsan: a race", tsan, ended{code: 66, report: tsanRace}, "data race", ""},
		{"tsan: two of a kind, and another", tsan, ended{code: 66, report: tsanRace + tsanRace + tsanOrder}, "data race, lock-order-inversion", ""},
		{"tsan: an abort besides", tsan, ended{signal: syscall.SIGABRT, report: tsanRace}, "data race, aborts", ""},
		{"tsan: an abort alone", tsan, ended{signal: syscall.SIGABRT}, "aborts", ""},
		{"tsan: a hang", tsan, ended{late: true}, "hangs", ""},
		{"tsan: the program's own code", tsan, ended{code: 5, report: tsanRace}, "data race, exit code 5", ""},
		{"tsan: a crash", tsan, ended{code: 66, report: tsanSegv}, "crashes", ""},
		{"tsan: a crash besides", tsan, ended{code: 66, report: tsanRace + tsanSegv}, "data race, crashes", ""},
		{"tsan: it cannot start", tsan, ended{code: 66, said: tsanMemory}, "", "unexpected memory mapping"},
		{"tsan: its code alone", tsan, ended{code: 66, said: "what?"}, "", "without a report: what?"},

		{"valgrind: well", valgrind, ended{report: valgrindHead + valgrindEnd}, "", ""},
		{"valgrind: a race", valgrind, ended{report: valgrindHead + valgrindRace + valgrindRace + valgrindEnd}, "data race", ""},
		{"valgrind: two kinds", valgrind, ended{report: valgrindHead + order + valgrindRace + valgrindEnd}, "lock order, data race", ""},
		{"valgrind: a kind without a word", valgrind, ended{report: valgrindHead + other + valgrindEnd}, "BarrierErr", ""},
		{"valgrind: an abort besides", valgrind, ended{signal: syscall.SIGABRT, report: valgrindHead + valgrindRace}, "data race, aborts", ""},
		{"valgrind: cut off", valgrind, ended{late: true, report: valgrindHead + valgrindRace + order[:len(order)/2]}, "data race, hangs", ""},
		{"valgrind: it cannot start", valgrind, ended{code: 1, said: "valgrind: Bad option"}, "", "has not started: valgrind: Bad option"},
	} {
		f, err := c.read(c.ended)
		if c.err != "" {
			if err == nil || !strings.Contains(err.Error(), c.err) {
				t.Errorf("%s: error %v, want %q", c.name, err, c.err)
			}
			continue
		}
		if err != nil || f.String() != c.want || f.found() != (c.want != "") {
			t.Errorf("%s: %q, %v, want %q", c.name, f, err, c.want)
		}
	}
}

// FuzzReports: whatever a program or a tool writes, reading it ends, and a report is a kind
// that was written.
func FuzzReports(f *testing.F) {
	f.Add(tsanRace+tsanSegv, 66)
	f.Add(valgrindHead+valgrindRace+valgrindEnd, 0)
	f.Add(tsanMemory, 1)
	f.Fuzz(func(t *testing.T, text string, code int) {
		for _, read := range []func(ended) (finding, error){tsan, valgrind} {
			found, err := read(ended{report: text, code: code})
			if err == nil && code == 0 && found.Fails != "" && found.Fails != programs.Crash {
				t.Errorf("it ends with 0, and %q", found)
			}
			for i, kind := range found.Reports {
				if slices.Contains(found.Reports[:i], kind) {
					t.Errorf("%q twice", kind)
				}
			}
		}
	})
}
