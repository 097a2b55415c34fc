package gdb

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"emurace/emu"
	"emurace/explore"
	"emurace/heap"
	"emurace/internal/testrace"
	"emurace/internal/testsystem"
	"emurace/loader"
	"emurace/replay"
	"emurace/replay/timeline"
	"emurace/scenario"
)

var must = testrace.Must

// crash is the failing schedule of the default scenario that the search finds
// first, with what it needs and no more, as the command line shows it.
func crash(t testing.TB, sys *emu.System) scenario.Schedule {
	t.Helper()
	start := func() (*scenario.Session, error) { return scenario.Start(sys, testrace.DefaultPlan(t), 1) }
	r, err := explore.DPOR(context.Background(), start, explore.Options{Jobs: 1})
	must(t, err)
	if len(r.Findings) == 0 || r.Findings[0].Outcome.Kind != scenario.Segv {
		t.Fatalf("no crash was found: %+v", r)
	}
	m, err := explore.Minimize(context.Background(), start, r.Findings[0], time.Millisecond)
	must(t, err)
	return m.Schedule
}

// shown is a server and the run that it shows.
type shown struct {
	*Server
	sys  *emu.System
	plan *scenario.Plan
}

// show makes a server of a schedule of a plan. Its machines last as long as the
// tests.
func show(t testing.TB, sys *emu.System, plan *scenario.Plan, schedule scenario.Schedule) shown {
	t.Helper()
	shown := showStarted(t, sys, func(prepare func(*emu.Process) error) (*scenario.Session, error) {
		return scenario.StartWith(sys, plan, 1, prepare)
	}, schedule)
	shown.plan = plan
	return shown
}

// showStarted is show of a schedule of sessions that start makes.
func showStarted(t testing.TB, sys *emu.System, start replay.Starter, schedule scenario.Schedule) shown {
	t.Helper()
	s, err := start(nil)
	must(t, err)
	h, err := replay.NewHistory(s, schedule)
	must(t, err)
	x, err := replay.Explain(h)
	must(t, err)
	tl, err := timeline.New(s, schedule)
	must(t, err)
	tracer, err := replay.NewHeapTracer(start)
	must(t, err)
	return shown{Server: New(Options{
		Timeline: tl, Root: sys.Root, Headline: x.Headline(), Why: x.String(),
		Heap: func() (*heap.History, error) { return tracer.Run(nil, schedule) },
	}), sys: sys}
}

var articles = map[loader.Arch]shown{}

// article is the default scenario's crash, made once; the server is one of the
// test's own.
func article(t testing.TB, arch loader.Arch) shown {
	t.Helper()
	s, ok := articles[arch]
	if !ok {
		sys := testsystem.Of(t, "bookworm", arch)
		s = show(t, sys, testrace.DefaultPlan(t), crash(t, sys))
		articles[arch] = s
	}
	s.Server = New(s.Options)
	return s
}

// listen serves on a port of this machine until the test ends.
func (s shown) listen(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	var done sync.WaitGroup
	done.Go(func() {
		if err := s.Listen(ctx, l, false); err != nil {
			t.Errorf("the server ended: %v", err)
		}
	})
	t.Cleanup(func() { cancel(); done.Wait() })
	return l.Addr().String()
}

// remote is a client of the protocol, written for tests: it takes nothing but
// what is well-framed.
type remote struct {
	t     testing.TB
	conn  net.Conn
	in    io.Reader
	noAck bool
	out   bytes.Buffer // what the console was told
}

func dial(t testing.TB, addr string) *remote {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	must(t, err)
	t.Cleanup(func() { _ = conn.Close() }) // mostly closed before
	must(t, conn.SetDeadline(time.Now().Add(time.Minute)))
	return &remote{t: t, conn: conn, in: bufio.NewReader(conn)}
}

// connect is dial and what gdb says first.
func connect(t testing.TB, addr string) *remote {
	t.Helper()
	r := dial(t, addr)
	r.want("qSupported:swbreak+;hwbreak+", supported)
	r.want("QStartNoAckMode", "OK")
	r.noAck = true
	return r
}

func (r *remote) write(text string) {
	r.t.Helper()
	if _, err := io.WriteString(r.conn, text); err != nil {
		r.t.Fatal(err)
	}
}

func (r *remote) readByte() byte {
	r.t.Helper()
	var b [1]byte
	if _, err := io.ReadFull(r.in, b[:]); err != nil {
		r.t.Fatalf("read: %v", err)
	}
	return b[0]
}

// packet reads a packet and checks its frame.
func (r *remote) packet() string {
	r.t.Helper()
	if b := r.readByte(); b != '$' {
		r.t.Fatalf("a packet begins with %q", b)
	}
	var payload []byte
	var sum byte
	for {
		b := r.readByte()
		if b == '#' {
			break
		}
		sum += b
		if b == '}' {
			e := r.readByte()
			sum += e
			b = e ^ 0x20
		} else if b == '$' || b == '*' {
			r.t.Fatalf("%q in a packet", b)
		}
		payload = append(payload, b)
	}
	if got := string([]byte{r.readByte(), r.readByte()}); got != fmt.Sprintf("%02x", sum) {
		r.t.Fatalf("checksum %q of %q, want %02x", got, payload, sum)
	}
	if len(payload) > packetSize {
		r.t.Fatalf("a packet of %d bytes", len(payload))
	}
	if !r.noAck {
		r.write("+")
	}
	return string(payload)
}

// send frames a packet by the rules, apart from the code that is tested.
func (r *remote) send(payload string) {
	r.t.Helper()
	var text bytes.Buffer
	var sum byte
	for _, b := range []byte(payload) {
		if b == '$' || b == '#' || b == '}' || b == '*' {
			text.WriteByte('}')
			sum += '}'
			b ^= 0x20
		}
		text.WriteByte(b)
		sum += b
	}
	r.write(fmt.Sprintf("$%s#%02x", text.String(), sum))
}

// ask sends a packet and returns its answer. What comes for the console before is
// kept.
func (r *remote) ask(payload string) string {
	r.t.Helper()
	r.send(payload)
	if !r.noAck {
		if b := r.readByte(); b != '+' {
			r.t.Fatalf("%q is acknowledged with %q", payload, b)
		}
	}
	return r.answer()
}

// answer reads the answer to a packet.
func (r *remote) answer() string {
	r.t.Helper()
	for {
		reply := r.packet()
		if len(reply) > 1 && reply[0] == 'O' && reply != "OK" {
			r.out.Write(unhex(r.t, reply[1:]))
			continue
		}
		return reply
	}
}

func (r *remote) want(payload, want string) {
	r.t.Helper()
	if got := r.ask(payload); got != want {
		r.t.Fatalf("%.100q is answered %.300q, want %.300q", payload, got, want)
	}
}

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b := make([]byte, len(s)/2)
	if _, err := fmt.Sscanf(s, "%x", &b); err != nil && s != "" {
		t.Fatalf("%q: %v", s, err)
	}
	return b
}

// monitor runs a monitor command and returns what it says.
func (r *remote) monitor(command string) string {
	r.t.Helper()
	r.out.Reset()
	r.want(fmt.Sprintf("qRcmd,%x", command), "OK")
	return r.out.String()
}

// register reads a register of the selected thread by its name.
func (r *remote) register(s shown, name string) string {
	r.t.Helper()
	for i, reg := range s.target.regs {
		if reg.name == name {
			return r.ask(fmt.Sprintf("p%x", i))
		}
	}
	r.t.Fatalf("no register %s", name)
	return ""
}

// word reads eight bytes of memory.
func (r *remote) word(addr uint64) uint64 {
	r.t.Helper()
	b := unhex(r.t, r.ask(fmt.Sprintf("m%x,8", addr)))
	if len(b) != 8 {
		r.t.Fatalf("%#x: %d bytes", addr, len(b))
	}
	return le.Uint64(b)
}
