package gdb

import (
	"bytes"
	"encoding/hex"
	"encoding/xml"
	"fmt"
	"strconv"
	"strings"

	"emurace/symbolize"
)

// gdb's thread numbers begin at 1; a thread's is the machine's plus one.

// anyThread stands for whichever thread, and for all of them.
const anyThread = -1

// parseThread reads a thread's number as the machine counts.
func parseThread(s string) (int, error) {
	if s == "-1" {
		return anyThread, nil
	}
	n, err := parseHex(s)
	if err != nil || n > 1<<30 {
		return 0, errNumber
	}
	return int(n) - 1, nil // 0 is any thread, too
}

func threadText(t int) string { return strconv.FormatInt(int64(t)+1, 16) }

// alive tells whether the machine has the thread at the present moment.
func (c *client) alive(thread int) bool {
	if thread < 0 || thread >= len(c.m.Threads()) {
		return false
	}
	regs, err := c.m.Registers(thread)
	return err == nil && regs != nil
}

// threads lists the threads of the present moment, by the machine's numbers.
func (c *client) threads() []int {
	var list []int
	for i := range c.m.Threads() {
		if c.alive(i) {
			list = append(list, i)
		}
	}
	return list
}

// current is the thread whose turn it is: the one that runs next, or at the end
// the one that failed.
func (c *client) current() int {
	if i := c.tl.Thread(c.tl.At()); i >= 0 {
		return c.tl.Session().MachineThread(i)
	}
	return 0
}

// general is the thread that reading is about; see the packet Hg.
func (c *client) general() (int, bool) {
	t := c.selected
	if t == anyThread {
		t = c.current()
	}
	return t, c.alive(t)
}

// selectThread answers H.
func (c *client) selectThread(arg string) string {
	if arg == "" {
		return errInvalid
	}
	t, err := parseThread(arg[1:])
	if err != nil {
		return errInvalid
	}
	if t != anyThread && !c.alive(t) {
		return errNoThread
	}
	switch arg[0] {
	case 'g':
		c.selected = t
	case 'c':
		c.stepping = t
	default:
		return errInvalid
	}
	return replyOK
}

// threadAlive answers T.
func (c *client) threadAlive(arg string) string {
	if t, err := parseThread(arg); err != nil || !c.alive(t) {
		return errNoThread
	}
	return replyOK
}

// threadInfo answers qfThreadInfo: all threads at once, since there are few.
func (c *client) threadInfo() string {
	var list []string
	for _, t := range c.threads() {
		list = append(list, threadText(t))
	}
	return "m" + strings.Join(list, ",")
}

// threadExtra answers qThreadExtraInfo.
func (c *client) threadExtra(arg string) string {
	t, err := parseThread(arg)
	if err != nil || !c.alive(t) {
		return errNoThread
	}
	return hex.EncodeToString([]byte(c.threadState(t)))
}

// threadState says what a thread is doing.
func (c *client) threadState(t int) string {
	th := c.m.Threads()[t]
	racing := c.tl.Session().RacingThread(t)
	if racing < 0 {
		return "does not race"
	}
	state := "in "
	switch {
	case c.m.Idle(t) && th.Call == "":
		return "done, without a call"
	case c.m.Idle(t):
		state = "done, after "
	case c.m.Waiting(t):
		state = "waiting in "
	case c.current() == t && c.m.End() != nil:
		state = "failed in "
	case c.current() == t:
		state = "runs next, in "
	}
	return state + symbolize.Doing(c.m, t)
}

// threadsXML is the object that lists the threads with their names.
func (c *client) threadsXML() string {
	var b strings.Builder
	b.WriteString("<?xml version=\"1.0\"?>\n<threads>\n")
	for _, t := range c.threads() {
		fmt.Fprintf(&b, "<thread id=\"%s\" name=\"%s\">%s</thread>\n", threadText(t), escapeXML(symbolize.Title(c.m.Threads()[t].Name, c.m.Called(t))), escapeXML(c.threadState(t)))
	}
	b.WriteString("</threads>\n")
	return b.String()
}

func escapeXML(s string) string {
	var b bytes.Buffer
	if err := xml.EscapeText(&b, []byte(s)); err != nil {
		return "" // a buffer takes everything
	}
	return b.String()
}
