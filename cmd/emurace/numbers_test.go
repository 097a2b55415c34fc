package main

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"emurace/internal/words"
)

// TestOneNumber: every view of a trace calls an instruction by the same number, the one that it has in
// the race, from 1: here the one that writes the fatal value and the one that loads it.
func TestOneNumber(t *testing.T) {
	find := subprocess(t, "script", "article", "--json", "--color", "never")
	out, _ := find.Output() // its exit code is looked at
	if code := find.ProcessState.ExitCode(); code != exitFound {
		t.Fatalf("exit code %d: %s", code, out)
	}
	var result struct {
		Findings []struct {
			Cause struct {
				WrittenBy struct {
					Step      uint64
					Backtrace []struct{ PC string }
				} `json:"written_by"`
				LoadedBy struct{ Step uint64 } `json:"loaded_by"`
			}
		}
	}
	if err := json.Unmarshal(out, &result); err != nil || len(result.Findings) != 1 {
		t.Fatalf("%v: %s", err, out)
	}
	f := result.Findings[0]
	write, load := f.Cause.WrittenBy.Step, f.Cause.LoadedBy.Step
	if write < 100 || load <= write || len(f.Cause.WrittenBy.Backtrace) == 0 {
		t.Fatalf("%+v", f)
	}
	pc := f.Cause.WrittenBy.Backtrace[0].PC
	ask := func(args ...string) string {
		t.Helper()
		cmd := subprocess(t, append(args, "--color", "never")...)
		cmd.Dir, cmd.Env = find.Dir, find.Env
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("%q: %v", args, err)
		}
		return string(out)
	}
	number := fmt.Sprint(write)
	for _, c := range []struct {
		view string
		args []string
		want string
	}{
		{"replay's listing", []string{"replay", "--from", number, "--to", number}, `(?m)^ +` + number + `  _int_free\+0x\w+ .* <- 0x220 \(was 0x0\)$`},
		{"replay as JSON", []string{"replay", "--json", "--from", number, "--to", number}, `"step":` + number + `,"thread":"worker","pc":"` + pc + `"`},
		{"a word's history", []string{"replay", "--follow", "x19"}, `(?m)\b` + number + `\b.*_int_free`},
		{"the last instructions", []string{"replay", "--last", "5"}, fmt.Sprintf(`(?m)^ +%d  getenv\+0x\w+ +ldr x19.* -> 0x220$`, load)},
		{"the lesson", []string{"step", "--lesson"}, `worker writes 0x220\ninstruction ` + words.Grouped(write) + `, worker\n`},
		{"the lesson backwards", []string{"step", "--lesson", "--backwards"}, `(?s)Instruction ` + words.Grouped(write) + `: worker writes 0x220\..*Instruction ` + words.Grouped(load) + `: main loads 0x220\.`},
		// A moment is behind so many instructions: the one before is still to come.
		{"a core", []string{"core", "--at", fmt.Sprint(write - 1), "-o", "before.core"}, `worker at ` + pc + `\n`},
	} {
		if got := ask(c.args...); !regexp.MustCompile(c.want).MatchString(got) {
			t.Errorf("%s: no %s in\n%s", c.view, c.want, got)
		}
	}

	ask("report", "-o", "page.html")
	page, err := os.ReadFile(filepath.Join(find.Dir, "page.html"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`instruction ` + words.Grouped(write) + ` <button`, fmt.Sprintf(`<td>%d</td><td class="who">main</td><td>getenv`, load)} {
		if !bytes.Contains(page, []byte(want)) {
			t.Errorf("the report has no %s", want)
		}
	}

	s := serveTrace(t, find, "--once", "--listen", "localhost:0")
	said := monitors(t, s.addr, "seek "+fmt.Sprint(write-1), "when", "schedule")
	for _, want := range []string{
		fmt.Sprintf("moment %d of %d: worker is about to run instruction %[3]d, in slice 2 of 3\n", write-1, load+1, write),
		fmt.Sprintf("to %-8d  main", load+1),
	} {
		if !strings.Contains(said, want) {
			t.Errorf("gdb's monitor: no %q in\n%s", want, said)
		}
	}
	s.wait()
}

// monitors is what a server says to commands of gdb's monitor.
func monitors(t *testing.T, addr string, commands ...string) string {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if err := conn.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	var said strings.Builder
	for _, c := range commands {
		packet := "qRcmd," + hex.EncodeToString([]byte(c))
		sum := byte(0)
		for _, b := range []byte(packet) {
			sum += b
		}
		if _, err := fmt.Fprintf(conn, "$%s#%02x", packet, sum); err != nil {
			t.Fatal(err)
		}
		answer, one := "", make([]byte, 1)
		for !strings.HasSuffix(answer, "$OK#9a") {
			if _, err := io.ReadFull(conn, one); err != nil {
				t.Fatalf("%s: %v after %q", c, err, answer)
			}
			answer += string(one)
			// Each packet is acknowledged.
			if n := len(answer); n > 2 && answer[n-3] == '#' {
				if _, err := io.WriteString(conn, "+"); err != nil {
					t.Fatal(err)
				}
			}
		}
		for _, m := range regexp.MustCompile(`\$O([0-9a-f]+)#`).FindAllStringSubmatch(answer, -1) {
			text, err := hex.DecodeString(m[1])
			if err != nil {
				t.Fatal(err)
			}
			said.Write(text)
		}
	}
	return said.String()
}
