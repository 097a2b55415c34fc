package emu

import (
	"fmt"
	"strings"
	"testing"
)

var allocators = []string{"malloc", "__libc_malloc", "calloc", "realloc", "reallocarray", "aligned_alloc", "posix_memalign", "memalign", "free", "no_such_function"}

// traceLog notes calls as text: an arrow into a call, one out of it, and a dot
// for each call that it is nested in.
type traceLog struct {
	events []CallEvent
}

func (l *traceLog) note(e CallEvent) { l.events = append(l.events, e) }

func (l *traceLog) take() string {
	var parts []string
	var open []CallEvent
	for _, e := range l.events {
		// glibc's functions may jump back to their own start to try again.
		open = open[:e.Depth]
		again := len(open) > 0 && open[len(open)-1].Func == e.Func && open[len(open)-1].Caller == e.Caller
		if !e.Returned {
			open = append(open, e)
		}
		if again {
			continue
		}
		way := ">"
		if e.Returned {
			way = "<"
		}
		parts = append(parts, strings.Repeat(".", e.Depth)+way+e.Func)
	}
	l.events = nil
	return strings.Join(parts, " ")
}

func (p *process) trace(names ...string) *traceLog {
	p.t.Helper()
	l := &traceLog{}
	if err := p.TraceCalls(names, l.note); err != nil {
		p.t.Fatal(err)
	}
	return l
}

func TestTraceCalls(t *testing.T) {
	eachSystem(t, func(t *testing.T, p *process) {
		l := p.trace(allocators...)
		before := p.Steps()
		a := p.call(0, "malloc", 24)
		if len(l.events) < 2 {
			t.Fatalf("events: %+v", l.events)
		}
		in, out := l.events[0], l.events[len(l.events)-1]
		if in.Func != "malloc" || in.Returned || in.Args[0] != 24 || in.Step != before+1 || in.Caller != p.ret || in.Depth != 0 || in.Thread != 0 {
			t.Errorf("entry %+v", in)
		}
		want := in
		want.Returned, want.Result, want.ReturnStep = true, a, p.Steps()
		if out != want {
			t.Errorf("return %+v, want %+v", out, want)
		}
		l.take()

		s := p.str("some text that is copied")
		copied := p.call(0, "strdup", s)
		if l.events[1].Result != copied || l.events[0].Args[0] != 25 || l.events[0].Caller == p.ret {
			t.Errorf("strdup: %+v", l.events)
		}
		if got := l.take(); got != ">malloc <malloc" {
			t.Errorf("strdup: %s", got)
		}
		p.call(0, "free", copied)
		p.call(0, "free", 0)
		if got := l.take(); got != ">free <free >free <free" {
			t.Errorf("free: %s", got)
		}
		b := p.call(0, "calloc", 3, 8)
		p.call(0, "realloc", b, 100)
		if e := l.events[2]; e.Func != "realloc" || e.Args[0] != b || e.Args[1] != 100 {
			t.Errorf("realloc: %+v", l.events)
		}
		if got := l.take(); !strings.HasPrefix(got, ">calloc <calloc >realloc ") || !strings.HasSuffix(got, " <realloc") {
			t.Errorf("realloc: %s", got)
		}
		// realloc of nothing is malloc, called or jumped to.
		c := p.call(0, "realloc", 0, 40)
		for _, e := range l.events {
			if e.Returned && e.Result != c {
				t.Errorf("realloc of nothing: %+v", e)
			}
		}
		if got := l.take(); got != ">realloc .>malloc .<malloc <realloc" && got != ">realloc <realloc" {
			t.Errorf("realloc of nothing: %s", got)
		}
		where := p.bytes(make([]byte, 8))
		p.call(0, "posix_memalign", where, 64, 100)
		p.call(0, "aligned_alloc", 64, 128)
		if got := l.take(); !strings.Contains(got, ">posix_memalign") || !strings.Contains(got, "<aligned_alloc") {
			t.Errorf("aligned: %s", got)
		}

		p.stopTracing()
		p.call(0, "malloc", 24)
		if got := l.take(); got != "" {
			t.Errorf("after the end of tracing: %s", got)
		}
	})
}

// TestTraceSeesTheMoment: at entry the machine stands before the call's first
// instruction, at return behind its last.
func TestTraceSeesTheMoment(t *testing.T) {
	each(t, func(t *testing.T, p *process) {
		var pcs []uint64
		if err := p.TraceCalls([]string{"strlen", "malloc"}, func(e CallEvent) {
			pc, err := p.PC(e.Thread)
			if err != nil {
				t.Error(err)
			}
			pcs = append(pcs, pc)
			if e.Returned && p.Steps() != e.ReturnStep || !e.Returned && p.Steps()+1 != e.Step {
				t.Errorf("%d steps: %+v", p.Steps(), e)
			}
			if e.Returned && pc != e.Caller {
				t.Errorf("at %#x: %+v", pc, e)
			}
		}); err != nil {
			t.Fatal(err)
		}
		p.call(0, "strdup", p.str("text"))
		if len(pcs) < 2 || pcs[len(pcs)-2] != p.fn("malloc") {
			t.Errorf("the machine stood at %#x", pcs)
		}
	})
}

// TestTraceChangesNothing: a run of several threads, in random slices, has the
// same digest with a trace as without, and the trace is the same however the
// run is cut into slices and after going back to a mark.
func TestTraceChangesNothing(t *testing.T) {
	each(t, func(t *testing.T, p *process) {
		schedule := randomSchedule(randomness(t), 300)
		// begins gives a process two more threads and lets it stand at a mark.
		begins := func(p *process) *Mark {
			for _, name := range []string{"one", "two"} {
				if _, err := p.Spawn(name); err != nil {
					t.Fatal(err)
				}
			}
			mark, err := p.Mark()
			if err != nil {
				t.Fatal(err)
			}
			return mark
		}
		name, value, spec := "NAME\x00", "VALUE\x00", "%s and %d\x00"
		play := func(p *process, buf uint64, single bool) string {
			calls := []struct {
				name string
				args []uint64
			}{{"setenv", []uint64{buf, buf + 64, 1}}, {"malloc", []uint64{1000}}, {"asprintf", []uint64{buf + 256, buf + 128, buf, 7}}, {"strdup", []uint64{buf}}}
			made := 0
			for _, s := range schedule {
				if p.Idle(s.thread) {
					c := calls[made%len(calls)]
					made++
					p.begin(s.thread, c.name, c.args...)
				}
				if !single {
					p.run(s.thread, s.n)
					continue
				}
				for range s.n {
					if p.Runnable(s.thread) {
						p.run(s.thread, 1)
					}
				}
			}
			d, err := p.Digest(0)
			if err != nil {
				t.Fatal(err)
			}
			return d
		}
		stage := func(p *process) uint64 {
			buf := p.bytes(make([]byte, 512))
			for i, s := range []string{name, value, spec} {
				if err := p.Write(0, buf+64*uint64(i), []byte(s)); err != nil {
					t.Fatal(err)
				}
			}
			for _, fn := range []string{"setenv", "malloc", "asprintf", "strdup"} {
				p.fn(fn) // looked up before the mark
			}
			return buf
		}
		buf := stage(p)
		begins(p)
		want := play(p, buf, false)

		q := boot(t, "bookworm", p.Arch())
		l := q.trace(allocators...)
		buf = stage(q)
		mark := begins(q)
		from := len(l.events)
		if got := play(q, buf, false); got != want {
			t.Error("the digest of the traced run is another")
		}
		seen := fmt.Sprint(l.events[from:])
		threads := map[int]bool{}
		for _, e := range l.events[from:] {
			threads[e.Thread] = true
		}
		if len(threads) != 3 {
			t.Errorf("calls were seen of threads %v", threads)
		}
		for _, single := range []bool{true, false} {
			if err := mark.Rewind(); err != nil {
				t.Fatal(err)
			}
			from = len(l.events)
			if got := play(q, buf, single); got != want {
				t.Errorf("single steps %v: the digest is another", single)
			}
			if got := fmt.Sprint(l.events[from:]); got != seen {
				t.Errorf("single steps %v: the trace is\n%s\nand was\n%s", single, got, seen)
			}
		}
	})
}

// TestTraceUnbalanced: qsort whose comparison jumps out of it. longjmp never
// returns, and the calls after it are not nested in it.
func TestTraceUnbalanced(t *testing.T) {
	eachSystem(t, func(t *testing.T, p *process) {
		const element = 512 // holds a jmp_buf of both architectures
		l := p.trace("qsort", "longjmp", "abs")
		buf := p.bytes(make([]byte, 2*element))
		p.call(0, "_setjmp", buf)
		// longjmp(first element, second element): the address becomes a number.
		if v := p.call(0, "qsort", buf, 2, element, p.fn("longjmp")); uint32(v) != uint32(buf+element) {
			t.Errorf("qsort came back with %#x", v)
		}
		if got := l.take(); got != ">qsort .>longjmp <qsort" {
			t.Errorf("%s", got)
		}
		p.call(0, "abs", 3)
		if got := l.take(); got != ">abs <abs" {
			t.Errorf("%s", got)
		}
		// A comparison that is traced itself, called several times.
		p.call(0, "qsort", buf, 3, 8, p.fn("abs"))
		got := l.take()
		if calls := strings.Count(got, ".>abs .<abs"); calls < 2 || got != ">qsort "+strings.Repeat(".>abs .<abs ", calls)+"<qsort" {
			t.Errorf("%s", got)
		}
	})
}

// TestTraceTwice: two traces see the same call, each with its own depth.
func TestTraceTwice(t *testing.T) {
	each(t, func(t *testing.T, p *process) {
		outer, both := p.trace("strdup"), p.trace("strdup", "malloc")
		p.call(0, "strdup", p.str("x"))
		if got := outer.take(); got != ">strdup <strdup" {
			t.Errorf("first trace: %s", got)
		}
		if got := both.take(); got != ">strdup .>malloc .<malloc <strdup" {
			t.Errorf("second trace: %s", got)
		}
	})
}
