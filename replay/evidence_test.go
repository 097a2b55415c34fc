package replay

import (
	"fmt"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"testing"

	"emurace/emu"
	"emurace/internal/guestcode"
	"emurace/internal/testseed"
	"emurace/internal/words"
	"emurace/loader"
	"emurace/scenario"
)

// All that is said of a fault is so in the run: what was loaded, from where, how it came into the
// register, who had written it in which way, or that nobody has; which system call took the page
// away. Random programs die of addresses that they have stored in part, in pairs and over each
// other, copied, had the kernel write, and lost with their pages.
func TestFaultsAreTrue(t *testing.T) {
	count := uint64(250)
	if testing.Short() {
		count = 40
	}
	for _, arch := range arches() {
		t.Run(arch.String(), func(t *testing.T) {
			first := testseed.Of(t, 1)
			seen := map[How]int{}
			faults, older, unmapped, parts, followed := 0, 0, 0, 0, 0
			for seed := first; seed < first+count; seed++ {
				r := rand.New(rand.NewPCG(seed, 23))
				plan, handlers := faultRace(t, arch, r)
				s, err := starter(system(t, "bookworm", arch), plan)(func(*emu.Process) error { return nil })
				must(t, err)
				schedule := randomRun(t, s, r)
				o, _ := s.Outcome()
				if o.Kind != scenario.Segv {
					s.Close()
					continue
				}
				faults++
				h, err := NewHistory(s, schedule)
				must(t, err)
				x := explain(t, h)
				if err := faultIsTrue(h, x, handlers()...); err != nil {
					t.Errorf("seed %d: %v\n%s\nschedule %s\nrepeat with: go test emurace/replay -run '^TestFaultsAreTrue$/^%v$' -seed %d", seed, err, x, x.Switching(), arch, seed)
				}
				for _, w := range x.Sources.Writers {
					seen[w.How]++
				}
				if x.Load != nil {
					followed++
				}
				if x.Sources.Older > 0 {
					older++
				}
				if len(x.Sources.Writers) > 1 || x.Load != nil && x.Sources.Older > 0 && x.Sources.Older < x.Sources.size {
					parts++
				}
				if x.Unmapped != nil {
					unmapped++
				}
				s.Close()
			}
			t.Logf("%v: %d faults of %d runs from seed %d on, %d followed to a load: by %v, %d older, %d in parts; %d unmapped", arch, faults, count, first, followed, seen, older, parts, unmapped)
			if count > 200 && (faults < 60 || older == 0 || parts == 0 || unmapped == 0 || seen[HowStored] == 0 || seen[HowKernel] == 0 || seen[HowZeroed] == 0) {
				t.Error("there is too little of it")
			}
		})
	}
}

// faultIsTrue goes through the run.
func faultIsTrue(h *History, x *Explanation, handlers ...uint64) error {
	w := newWalk(h.s, h.schedule)
	if w.handlers = handlers; x.Load != nil && slices.Contains(handlers, x.Load.Location.PC) {
		w.first = x.Load.Step
	}
	if err := w.act(x.At); err != nil && x.Outcome.End.Access != emu.AccessExec && x.At.Step <= uint64(len(w.moments)) {
		return err
	}
	last := uint64(len(w.moments))
	if x.Register != "" {
		if v, err := w.register(x.Outcome.Thread, x.Register, last); err != nil || v != x.Value {
			return fmt.Errorf("%s is %#x at the end, not %#x: %w", x.Register, v, x.Value, err)
		}
	}
	if err := w.pageGone(x); err != nil {
		return err
	}
	if err := sentencesAreTrue(x); err != nil {
		return err
	}
	if x.Register != "" {
		links, err := h.FollowRegister(x.Outcome.Thread, x.Register, last+1)
		if err == nil {
			err = w.linksAreTrue(links, last)
		}
		if err != nil {
			return fmt.Errorf("followed: %w", err)
		}
	}
	if x.Load == nil {
		return w.originIsTrue(x)
	}
	if err := w.act(x.Load); err != nil {
		return fmt.Errorf("the load: %w", err)
	}
	parts := []lookPart{{x.LoadAddr, uint64(len(x.loaded)), x.Load.Step + w.base}}
	if err := w.sources(x.LoadAddr, x.loaded, parts, &x.Sources); err != nil {
		return err
	}
	return w.hopsAreTrue(x)
}

// linksAreTrue looks at the way of a value through memory: each load and store got what it is said
// to have got, nothing was stored between the two, and where the way is said to begin before the
// race nothing was stored at all.
func (w *walk) linksAreTrue(links []Link, end uint64) error {
	before := end // the moment of what the link is before
	for _, l := range links {
		switch {
		case l.Kind == LinkOlder && l.Addr != 0:
			mem, err := w.memory(l.Addr, l.Size)
			if err != nil {
				return err
			}
			for i := range uint64(l.Size) {
				if err := w.untouched(mem, i, l.Addr+i, 0, before); err != nil {
					return fmt.Errorf("%#x is said to be older than the race: %w", l.Addr+i, err)
				}
			}
		case l.Kind == LinkLoad || l.Kind == LinkStore || l.Kind == LinkKernel && l.Addr != 0:
			at, how := l.Act.Step, l.How
			if l.Kind != LinkKernel {
				how = HowStored
			}
			if err := w.act(l.Act); err != nil {
				return err
			}
			size := l.Size
			if l.Kind == LinkLoad {
				at = w.before(at)
			}
			mem, err := w.memory(l.Addr, size)
			if err != nil {
				return err
			}
			for i := range uint64(min(size, 8)) {
				if mem[at] == nil || mem[at][i] != byte(l.Value>>(8*i)) {
					return fmt.Errorf("%s of %#x at %#x by instruction %d: %x is there", l.Kind, l.Value, l.Addr, l.Act.Step, mem[at])
				}
			}
			if l.Kind != LinkLoad && how == "" {
				return fmt.Errorf("%+v is done in no way", l)
			}
			before = at
		case l.Act != nil:
			before = l.Act.Step
		}
	}
	return nil
}

// originIsTrue looks at what is said of a value that was not loaded.
func (w *walk) originIsTrue(x *Explanation) error {
	if x.Register == "" || len(x.hops) == 0 {
		return nil
	}
	return w.hopsAreTrue(x)
}

// hopsAreTrue looks whether each register on the value's way had the value behind the instruction
// that is said to have given it, and still before the one that handed it on.
func (w *walk) hopsAreTrue(x *Explanation) error {
	for i, hop := range x.hops {
		if hop.Kind == hopUnknown || strings.HasPrefix(hop.Reg, "x") && strings.HasPrefix(hop.Reg, "xmm") || strings.HasPrefix(hop.Reg, "v") {
			continue
		}
		at := hop.Step - w.base
		if hop.Kind == hopSignal {
			continue // the kernel makes it ready and runs the handler's first instruction in one step
		}
		v, err := w.register(x.Outcome.Thread, hop.Reg, at)
		if err != nil {
			return err
		}
		if v > 0 && hop.Kind == hopComputed && slices.ContainsFunc(w.log, func(a emu.LogEntry) bool {
			return a.PC == hop.PC && a.Kind == emu.LogRead && a.Step+1 >= hop.Step && a.Step <= hop.Step && a.Size == 8 && a.Value == v
		}) {
			return fmt.Errorf("%s is loaded by instruction %d (%s), and said to be computed", hop.Reg, at, hop.Inst.Text)
		}
		want := x.Value
		if i == len(x.hops)-1 && hop.Kind == hopLoad && x.Load != nil {
			want = number64(x.loaded)
		}
		if v != want && uint64(uint32(v)) != x.Value && v != x.Value {
			return fmt.Errorf("%s is %#x behind instruction %d (%s), not %#x", hop.Reg, v, at, hop.Inst.Text, want)
		}
	}
	return nil
}

// pageGone looks at the system call that is said to have taken the page away, and that none was
// found only where none has.
func (w *walk) pageGone(x *Explanation) error {
	end := x.Outcome.End
	want := map[emu.Access]loader.Prot{emu.AccessRead: loader.ProtRead, emu.AccessWrite: loader.ProtWrite, emu.AccessExec: loader.ProtExec}[end.Access]
	var allowed []bool
	if err := w.run(func(uint64) {
		allowed = append(allowed, slices.ContainsFunc(w.s.Process().Mappings(), func(m emu.Mapping) bool {
			return m.Start <= end.Addr && end.Addr < m.End && m.Prot&want != 0
		}))
	}); err != nil {
		return err
	}
	n := len(allowed) - 1
	for n > 0 && !allowed[n-1] {
		n--
	}
	switch {
	case allowed[len(allowed)-1]:
		return fmt.Errorf("%#x can be reached at the end", end.Addr)
	case n == 0 && x.Unmapped != nil:
		return fmt.Errorf("%#x could never be reached, and %s is said to have taken it away", end.Addr, x.Unmapped.Thread)
	case n == 0:
		return nil
	case x.Unmapped == nil:
		return fmt.Errorf("instruction %d has taken %#x away, and nothing is said of it", n, end.Addr)
	case x.Unmapped.Step != uint64(n):
		return fmt.Errorf("instruction %d has taken %#x away, not %d", n, end.Addr, x.Unmapped.Step)
	}
	return w.act(x.Unmapped)
}

var (
	saysWritten = regexp.MustCompile(`(\w+) had (?:written|put) (a part of it there last, )?(0x[0-9a-f]+|"(?:[^"\\]|\\.)*")(?: there last| at 0x[0-9a-f]+)`)
	saysLoaded  = regexp.MustCompile(`(\w+) loaded (\w+).* at .* from (0x[0-9a-f]+)`)
)

// sentencesAreTrue looks whether the text, the object and the lesson say what was found and
// nothing else.
func sentencesAreTrue(x *Explanation) error {
	text := x.String()
	said := saysWritten.FindAllStringSubmatch(text, -1)
	if len(said) != len(x.Sources.Writers) {
		return fmt.Errorf("%d are said to have written, of %d", len(said), len(x.Sources.Writers))
	}
	for i, m := range said {
		o := &x.Sources.Writers[i]
		if part := len(o.Data) < x.Sources.size; m[1] != strings.TrimPrefix(o.who(), "the ") || part != (m[2] != "") || m[3] != o.value() {
			return fmt.Errorf("%q is said of %s by %s", m[0], o.value(), o.who())
		}
	}
	if none := x.Load != nil && x.Sources.Older == x.Sources.size; none != strings.Contains(text, "Nothing has written there since the race began") {
		return fmt.Errorf("nothing has written there: %v", none)
	}
	if m := saysLoaded.FindStringSubmatch(text); (m != nil) != (x.Load != nil) || m != nil && (m[1] != x.Load.Thread || m[2] != x.Register || m[3] != words.Hex(x.LoadAddr)) {
		return fmt.Errorf("%q is said of the load", m)
	}
	f := x.Finding()
	if (f.Cause != nil) != (x.Load != nil) {
		return fmt.Errorf("the object has the cause %+v", f.Cause)
	}
	if f.Cause != nil {
		if len(f.Cause.Writers) != len(x.Sources.Writers) || f.Cause.Older != x.Sources.Older {
			return fmt.Errorf("the object has the cause %+v", f.Cause)
		}
		for i, r := range f.Cause.Writers {
			if o := &x.Sources.Writers[i]; r.Step != o.Step || r.Value != o.value() || r.Address != words.Hex(o.Addr) || r.Size != len(o.Data) || r.How != o.How {
				return fmt.Errorf("the object has %+v of %+v", r, o)
			}
		}
	}
	written := 0
	for _, fact := range x.Facts() {
		all := strings.Join(append([]string{fact.Title}, fact.Long...), "\n")
		switch {
		case fact.Kind == FactWritten && fact.Title != "":
			o := &x.Sources.Writers[written]
			written++
			if fact.After != o.Step || fact.Addr != o.Addr || !strings.Contains(all, o.value()) && o.How != HowZeroed && o.How != HowMapped {
				return fmt.Errorf("the lesson says %q at %d of %+v", all, fact.After, o)
			}
		case fact.Kind == FactLoaded:
			if fact.After != x.Load.Step || !strings.Contains(all, words.Hex(number64(x.loaded))) || !strings.Contains(all, "into "+x.hops[len(x.hops)-1].Reg) {
				return fmt.Errorf("the lesson says %q of the load", all)
			}
		}
	}
	if written != len(x.Sources.Writers) {
		return fmt.Errorf("the lesson tells of %d writers", written)
	}
	return nil
}

// A load of a pair whose second register is loaded by a step of its own gets what another thread
// has stored in between, and that is said.
func TestHalvedLoad(t *testing.T) {
	code := guestcode.Build(t, loader.ARM64, faultCode)
	var base uint64
	call := func(name string, args ...scenario.Arg) late {
		return func() scenario.Calls {
			return scenario.Calls{{Func: name, Addr: base + code.Symbols[name], Args: append([]scenario.Arg{scenario.Int(base + code.Symbols["cell"])}, args...)}}
		}
	}
	s, err := starter(system(t, "bookworm", loader.ARM64), &scenario.Plan{
		Setup: func(u *scenario.Setup) (err error) {
			base, err = u.Code(code.Bytes, uint64(len(code.Bytes))+loader.PageSize)
			return err
		},
		Threads: []scenario.Thread{
			{Name: scenario.Main, Body: call("pairs")},
			{Name: "second", Body: late(func() scenario.Calls {
				return scenario.Calls{{Func: "store64", Addr: base + code.Symbols["store64"], Args: []scenario.Arg{scenario.Int(base + code.Symbols["cell"] + 8), scenario.Int(bad)}}}
			})},
		},
	})(func(*emu.Process) error { return nil })
	must(t, err)
	defer s.Close()
	n := uint64(1)
	for ; ; n++ {
		must(t, s.Restart())
		if _, err := s.RunSlice(scenario.Slice{Thread: 0, N: n, Half: true}); err != nil || n > 100 {
			t.Fatalf("no load of a pair has a middle: %v", err)
		}
		if list := s.Process().Log().From(s.StartLog()).Since(s.Process().Steps()).List(); s.Holds(0) && len(list) == 1 && list[0].Addr == base+code.Symbols["cell"] {
			break
		}
	}
	h, err := NewHistory(s, scenario.Schedule{{Thread: 0, N: n, Half: true}, {Thread: 1}, {Thread: 0}})
	must(t, err)
	x := explain(t, h)
	if x.Load == nil || x.LoadAddr != base+code.Symbols["cell"]+8 || x.Writer == nil || x.Writer.Thread != "second" || x.Load.Step <= x.Writer.Step {
		t.Fatalf("load %+v, writer %+v\n%s", x.Load, x.Writer, x)
	}
	if err := faultIsTrue(h, x); err != nil {
		t.Errorf("%v\n%s", err, x)
	}
}

// All that is said of the values that a failing check has looked at is so in the run, whatever has
// put them there.
func TestSightsAreTrue(t *testing.T) {
	count := uint64(150)
	if testing.Short() {
		count = 30
	}
	for _, arch := range arches() {
		t.Run(arch.String(), func(t *testing.T) {
			first := testseed.Of(t, 1)
			seen := map[How]int{}
			looked, older := 0, 0
			for seed := first; seed < first+count; seed++ {
				r := rand.New(rand.NewPCG(seed, 29))
				plan, handlers := faultRace(t, arch, r)
				for i := range plan.Threads {
					calls := plan.Threads[i].Body
					plan.Threads[i].Body = late(func() scenario.Calls { return spared(calls.(late)()) })
				}
				at, size, results := faultPage+uint64(r.IntN(32)), uint64(1+r.IntN(24)), r.IntN(2) == 0
				plan.Check = func(v *scenario.View) error {
					v.Read(at, size)
					if results {
						v.Results(1)
					}
					return &scenario.Failure{Message: "always"}
				}
				s, err := starter(system(t, "bookworm", arch), plan)(func(*emu.Process) error { return nil })
				must(t, err)
				schedule := randomRun(t, s, r)
				if o, _ := s.Outcome(); o.Kind != scenario.Check {
					s.Close()
					continue
				}
				h, err := NewHistory(s, schedule)
				must(t, err)
				x := explain(t, h)
				if err := looksAreSaid(x); err != nil {
					t.Errorf("seed %d: %v\n%s\nrepeat with: go test emurace/replay -run '^TestSightsAreTrue$/^%v$' -seed %d", seed, err, x, arch, seed)
				}
				for i := range x.Looks {
					l := &x.Looks[i]
					looked++
					if l.Older > 0 {
						older++
					}
					for _, w := range l.Writers {
						seen[w.How]++
					}
					if err := lookIsTrue(h, l, handlers()...); err != nil {
						t.Errorf("seed %d: %v\n%s\nrepeat with: go test emurace/replay -run '^TestSightsAreTrue$/^%v$' -seed %d", seed, err, x, arch, seed)
					}
				}
				s.Close()
			}
			t.Logf("%v: %d values from seed %d on: by %v, %d older", arch, looked, first, seen, older)
			if looked < int(count)/2 || older == 0 || seen[HowStored] == 0 || seen[HowKernel] == 0 || seen[HowZeroed] == 0 {
				t.Error("there is too little of it")
			}
		})
	}
}

// looksAreSaid looks whether the text and the lesson say of a check what was found and nothing else,
// a read when all of it had been read, and a write at its moment.
func looksAreSaid(x *Explanation) error {
	written, older := 0, 0
	facts := x.Facts()
	for i := range x.Looks {
		l := &x.Looks[i]
		if l.Older == len(l.Data) {
			older++
		}
		for k := range l.Writers {
			o := &l.Writers[k]
			written++
			if !slices.ContainsFunc(facts, func(f Fact) bool {
				return f.Kind == FactWritten && f.After == o.Step && f.Addr == o.Addr && f.Title == o.title() && len(f.Long) == 1 && strings.HasPrefix(f.Long[0], o.long())
			}) {
				return fmt.Errorf("the lesson does not tell of %+v", o)
			}
		}
		if l.Load == nil {
			continue
		}
		if last := l.parts[len(l.parts)-1].step; !slices.ContainsFunc(facts, func(f Fact) bool {
			return f.Kind == FactSeen && f.After == l.Load.Step && f.Addr == l.Addr && strings.HasSuffix(f.Title, l.value())
		}) || slices.ContainsFunc(l.parts, func(p lookPart) bool { return p.step > last }) {
			return fmt.Errorf("the lesson does not tell of the read of %s", l.value())
		}
	}
	text := x.String()
	if n := len(saysWritten.FindAllString(text, -1)); n != written {
		return fmt.Errorf("%d are said to have written, of %d", n, written)
	}
	if n := strings.Count(text, "Nothing has written there since the race began"); n != older {
		return fmt.Errorf("of %d values it is said that they are older, of %d", n, older)
	}
	return nil
}
