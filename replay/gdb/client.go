package gdb

import (
	"context"
	"io"
	"strings"
	"time"
	"unicode"

	"emurace/replay/timeline"
)

// client is a connection and what belongs to it.
type client struct {
	*Server
	ctx    context.Context
	conn   io.ReadWriteCloser
	inputs <-chan input
	held   []input // at most one: what came while the run was under way
	err    error   // the first error of the connection
	last   []byte  // the last packet that was sent, for the client to ask again

	noAck    bool
	leaving  bool
	features map[string]bool // kinds of stop that the client knows
	selected int             // the thread of Hg, by the machine's number
	stepping int             // the thread of Hc
	stops    []stopPoint
	at       stop // the last stop
	told     bool // at the run's end: that the client knows how it ended
	files    map[uint64]*openFile
}

// Replies. The numbers of errors are those of Linux, though no client cares.
const (
	replyOK     = "OK"
	errAnnex    = "E00"
	errNoThread = "E03"
	errFault    = "E0e"
	errInvalid  = "E16"
	errFull     = "E1c"
)

// failure is an error reply with a text.
func (c *client) failure(text string) string {
	return "E." + strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, text)
}

// readOnly refuses to write.
func (c *client) readOnly() string {
	return c.failure("a recorded run cannot be changed")
}

// serve answers one packet after the other.
func (c *client) serve() error {
	if _, err := c.seek(c.tl.Len()); err != nil {
		return err
	}
	c.at = c.atEnd()
	c.told = true
	for c.err == nil && !c.leaving {
		switch in := c.receive(); in.kind {
		case inputPacket:
			c.acknowledge(ack)
			if reply, ok := c.handle(string(in.payload)); ok {
				c.send(reply)
			}
		case inputBroken:
			if c.noAck { // there is no way to ask for it again
				c.send(errInvalid)
			}
			c.acknowledge(nak)
		case inputTooLong:
			c.acknowledge(ack)
			c.send(errInvalid)
		case inputNak:
			if !c.noAck {
				c.write(c.last)
			}
		case inputInterrupt: // nothing is under way
		case inputEnd:
			return in.err
		}
	}
	return c.err
}

// receive waits for what the client sends.
func (c *client) receive() input {
	if len(c.held) > 0 {
		in := c.held[0]
		c.held = nil
		return in
	}
	select {
	case in := <-c.inputs:
		return in
	case <-c.ctx.Done(): // a pipe cannot be closed from this side
		return input{kind: inputEnd}
	}
}

// interrupted looks, while the run is under way, whether the client wants it to
// stop, or has gone. Anything else that it sends waits for its turn.
func (c *client) interrupted() bool {
	if len(c.held) > 0 {
		return c.held[0].kind == inputEnd
	}
	select {
	case in := <-c.inputs:
		if in.kind != inputInterrupt {
			c.held = append(c.held, in)
		}
		return in.kind == inputInterrupt || in.kind == inputEnd
	default:
		return false
	}
}

func (c *client) acknowledge(b byte) {
	if !c.noAck {
		c.write([]byte{b})
	}
}

func (c *client) send(payload string) {
	c.last = frame([]byte(payload))
	c.write(c.last)
}

func (c *client) write(b []byte) {
	if c.err != nil || len(b) == 0 {
		return
	}
	if d, ok := c.conn.(deadliner); ok {
		if c.err = d.SetWriteDeadline(time.Now().Add(c.patience)); c.err != nil {
			return
		}
	}
	_, c.err = c.conn.Write(b)
}

func (c *client) closeFiles() {
	for _, f := range c.files {
		_ = f.close() // they were only read
	}
}

// handle answers a packet; false for one that has no answer. What is not known is
// answered with nothing, as the protocol has it.
func (c *client) handle(p string) (reply string, answer bool) {
	if p == "" {
		return "", true
	}
	arg := p[1:]
	switch p[0] {
	case '?':
		c.selected = c.at.thread
		return c.text(stop{signal: c.at.signal, thread: c.at.thread}), true
	case 'g':
		return c.readRegisters(), true
	case 'p':
		return c.readRegister(arg), true
	case 'm':
		return c.readMemory(arg), true
	case 'G', 'P', 'M', 'X':
		return c.readOnly(), true
	case 'H':
		return c.selectThread(arg), true
	case 'T':
		return c.threadAlive(arg), true
	case 'Z', 'z':
		return c.changeStop(arg, p[0] == 'Z'), true
	case 'q':
		return c.query(p), true
	case 'Q':
		if p == "QStartNoAckMode" {
			// The answer still gets its acknowledgement, which counts as noise.
			c.noAck = true
			return replyOK, true
		}
		return "", true
	case 'v':
		return c.handleV(p), true
	case 'D':
		c.leaving = true
		return replyOK, true
	case 'k':
		c.leaving = true
		return "", false
	case 'c', 'C':
		return c.resume(timeline.Forwards, anyThread), true
	case 's', 'S':
		return c.resume(timeline.Forwards, c.stepThread()), true
	case 'b':
		return c.reverse(arg), true
	}
	return "", true
}

// handleV answers the packets with long names.
func (c *client) handleV(p string) string {
	switch {
	case p == "vCont?":
		return "vCont;c;C;s;S"
	case strings.HasPrefix(p, "vCont;"):
		return c.vCont(strings.TrimPrefix(p, "vCont;"))
	case strings.HasPrefix(p, "vFile:"):
		return c.fileRequest(strings.TrimPrefix(p, "vFile:"))
	case strings.HasPrefix(p, "vKill;"):
		c.leaving = true
		return replyOK
	}
	return "" // vMustReplyEmpty among them
}

// stepThread is the thread that steps in packets that do not name one.
func (c *client) stepThread() int {
	switch {
	case c.stepping != anyThread:
		return c.stepping
	case c.selected != anyThread:
		return c.selected
	}
	return c.current()
}

// reverse answers bc and bs.
func (c *client) reverse(arg string) string {
	switch arg {
	case "c":
		return c.resume(timeline.Backwards, anyThread)
	case "s":
		return c.resume(timeline.Backwards, c.stepThread())
	}
	return ""
}

// vCont takes "action[:thread];..." . The threads of a recorded run go on as they
// did, whichever of them are named; what matters is the one that is to step.
func (c *client) vCont(arg string) string {
	stepper := anyThread
	for action := range strings.SplitSeq(arg, ";") {
		what, id, named := strings.Cut(action, ":")
		if what == "" || !strings.Contains("csCS", what[:1]) {
			return errInvalid
		}
		thread := anyThread
		if named {
			var err error
			if thread, err = parseThread(id); err != nil {
				return errInvalid
			}
		}
		if what[0] != 's' && what[0] != 'S' || stepper != anyThread {
			continue
		}
		if stepper = thread; thread == anyThread {
			stepper = c.stepThread()
		}
	}
	return c.resume(timeline.Forwards, stepper)
}

// resume lets the run go on, in a direction, until it stops; stepper is a thread
// of the machine that is to do one instruction, or anyThread.
func (c *client) resume(d timeline.Direction, stepper int) string {
	racing := timeline.Any
	if stepper != anyThread {
		if !c.alive(stepper) {
			return errNoThread
		}
		if racing = c.tl.Session().RacingThread(stepper); racing < 0 {
			return c.failure("this thread does not race and never runs")
		}
	}
	var s stop
	var err error
	if d == timeline.Forwards {
		s, err = c.forward(racing)
	} else {
		s, err = c.backward(racing)
	}
	if err != nil {
		return c.failure(err.Error())
	}
	c.say(s.say)
	c.at = s
	// gdb takes the thread of a stop reply for selected from then on.
	c.selected = s.thread
	return c.text(s)
}
