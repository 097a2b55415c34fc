package guard

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// kind is what a report is about.
type kind uint8

// The kinds. Those before reportWalled are taken only before it.
const (
	reportStates kind = iota + 1 // JSON: the states there are going to be
	reportLaunch                 // JSON: a program to be started when it is told to
	reportWalled                 // the walls stand
	reportStart                  // the program is to be started now
	reportState                  // a state: its number, four bytes, and the bytes to be kept
	reportNote                   // a text; the last one counts
)

// maxReport bounds a report, in bytes: no state is larger than 64 MiB.
const maxReport = 64<<20 + 4

// maxNote bounds a note, in bytes: the longest path of a file.
const maxNote = 4096

// Launch is a program that the supervisor starts, as the engine process cannot.
type Launch struct {
	Program string
	Args    []string
}

// states are the files of states.
type states struct {
	Names []string
	Own   bool // the engine process writes them itself
}

var errReport = errors.New("guard: a report that makes no sense")

// writeReport sends a report: kind, length, content.
func writeReport(w io.Writer, k kind, content []byte) error {
	if len(content) > maxReport {
		return fmt.Errorf("guard: a report of %d bytes", len(content))
	}
	head := binary.LittleEndian.AppendUint32([]byte{byte(k)}, uint32(len(content)))
	_, err := w.Write(append(head, content...))
	return err
}

// readReport takes one from the pipe. The error is io.EOF when the other process has
// ended, in the middle of a report too.
func readReport(r io.Reader) (kind, []byte, error) {
	var head [5]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return 0, nil, io.EOF
	}
	n := binary.LittleEndian.Uint32(head[1:])
	if n > maxReport {
		return 0, nil, errReport
	}
	// As it comes in, and not by what it claims.
	content, err := io.ReadAll(io.LimitReader(r, int64(n)))
	if err != nil || len(content) < int(n) {
		return 0, nil, io.EOF
	}
	return kind(head[0]), content, nil
}

// reports are what the engine process has reported.
type reports struct {
	files  states
	states map[int][]byte
	note   string
	launch *Launch
	walled bool
	start  bool
}

// take adds a report.
func (t *reports) take(k kind, content []byte) error {
	early := k < reportWalled
	if early && t.walled {
		return errReport // nobody asks for more behind the walls
	}
	switch k {
	case reportStates:
		return json.Unmarshal(content, &t.files)
	case reportLaunch:
		t.launch = &Launch{}
		return json.Unmarshal(content, t.launch)
	case reportWalled:
		t.walled = true
		return nil
	case reportStart:
		if t.launch == nil || t.start {
			return errReport
		}
		t.start = true
		return nil
	case reportNote:
		if len(content) > maxNote {
			return errReport
		}
		t.note = string(content)
		return nil
	case reportState:
		if len(content) < 4 {
			return errReport
		}
		i := binary.LittleEndian.Uint32(content)
		if i >= uint32(len(t.files.Names)) {
			return errReport
		}
		if t.states == nil {
			t.states = map[int][]byte{}
		}
		t.states[int(i)] = content[4:]
		return nil
	}
	return errReport
}
