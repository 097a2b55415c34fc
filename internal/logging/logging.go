// Package logging writes what a command does while it runs, in lines on the topics that
// its user has asked for.
package logging

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"

	"emurace/internal/printable"
)

// Topic is a kind of thing to be told of.
type Topic string

// The topics.
const (
	Syscalls Topic = "syscalls" // what guests ask the kernel
	Search   Topic = "search"   // what a search decides
	Boot     Topic = "boot"     // what is opened to start a guest
)

// Topics lists all of them.
func Topics() []Topic { return []Topic{Syscalls, Search, Boot} }

// Log writes lines. The nil Log is off. It may be used by several goroutines at a time.
type Log struct {
	topics []Topic
	mu     sync.Mutex
	w      io.Writer
}

// New is a Log of the topics in a list with commas between them, nil for an empty list.
// The error names what is no topic.
func New(w io.Writer, list string) (*Log, error) {
	if list == "" {
		return nil, nil
	}
	l := &Log{w: w}
	for _, name := range strings.Split(list, ",") {
		t := Topic(strings.TrimSpace(name))
		if !slices.Contains(Topics(), t) {
			return nil, fmt.Errorf("%q: not syscalls, search or boot", string(t))
		}
		l.topics = append(l.topics, t)
	}
	return l, nil
}

// On tells whether a topic is asked for: where it is not, nothing needs to be worked out.
func (l *Log) On(t Topic) bool { return l != nil && slices.Contains(l.topics, t) }

// Printf writes a line on a topic, if it is asked for. What a terminal would take for an
// order is escaped. A line that cannot be written is lost: the log is a help, and no
// reason to end.
func (l *Log) Printf(t Topic, format string, args ...any) {
	if !l.On(t) {
		return
	}
	line := string(t) + ": " + printable.Line(fmt.Sprintf(format, args...)) + "\n"
	l.mu.Lock()
	defer l.mu.Unlock()
	_, _ = io.WriteString(l.w, line)
}
