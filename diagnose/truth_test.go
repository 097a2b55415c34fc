package diagnose

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"emurace/emu"
	"emurace/internal/testcores"
)

// role is what the table calls a thread: the function that it was started with, or main.
func role(d *Diagnosis, c *testcores.Core, tid uint32, truth testcores.Truth) string {
	if tid == d.Process.Core.PID {
		return "main"
	}
	for _, th := range c.Threads {
		if th.ID == tid && !strings.Contains(th.Name, ".") {
			return th.Name
		}
	}
	t := d.thread(tid)
	if t == nil {
		return ""
	}
	frames, _ := t.Frames()
	for _, f := range frames {
		name := strings.TrimSuffix(Demangled(f.At.Function), "()")
		if name != "" && (name == truth.Thread || name == truth.Culprit || slices.Contains(truth.Cycle, name)) {
			return name
		}
	}
	return ""
}

// block is how many bytes of a block that was asked for malloc lets a program use.
func usable24(size uint64) uint64 { return max((size+8+15)&^15-8, 24) }

var (
	blockSize = regexp.MustCompile(`block of (0x[0-9a-f]+) bytes`)
	wordOf    = regexp.MustCompile(`word (\d+) of the block`)
	firstHex  = regexp.MustCompile(`^0x[0-9a-f]+`)
)

func hex(text string) uint64 {
	n, _ := strconv.ParseUint(strings.TrimPrefix(text, "0x"), 16, 64) // it was matched as one
	return n
}

// fitting are the kinds of facts that may be certain of a cause, beside those that tell where things are.
var fitting = map[testcores.Kind][]Kind{
	testcores.MallocWord:    {BadValue, FreedBlock, FreedBy, WildJump, OtherBlock},
	testcores.OwnContent:    {BadValue, FreedBlock, FreedBy},
	testcores.Reused:        {Text, OtherBlock, Reused},
	testcores.StackOverflow: {Overflow},
	testcores.NullMember:    {Null},
	testcores.WildJump:      {WildJump},
	testcores.DoubleFree:    {DoubleFree, Aborted},
	testcores.Deadlock:      {Waiting, Deadlock, Stuck},
	testcores.StuckCond:     {Waiting, Stuck},
	testcores.Assertion:     {Assertion, Aborted},
	testcores.PureVirtual:   {PureVirtual, Aborted},
	testcores.Uncaught:      {Uncaught, Aborted},
	testcores.Overrun:       {Text, Overrun},
}

// meanings are words of facts about a value, and what the value has to be for them to be true.
var meanings = []struct {
	words  string
	values []testcores.Value
}{
	{"size of the free chunk", []testcores.Value{testcores.ChunkSize}},
	{"size of a free chunk", []testcores.Value{testcores.ChunkSize}},
	{"the link ", []testcores.Value{testcores.BinLink, testcores.PlainNext, testcores.SafeLink}},
	{"a link ", []testcores.Value{testcores.BinLink, testcores.PlainNext, testcores.SafeLink}},
	{"mangled", []testcores.Value{testcores.SafeLink}},
	{"the key ", []testcores.Value{testcores.TcacheKey, testcores.TcacheAddr}},
	{"what is left", []testcores.Value{testcores.StalePointer}},
	{"no pointer but text", []testcores.Value{testcores.Text}},
}

// lie says what is false in a fact by what is known of the core; "" for nothing. The diagnosis is of the
// whole core.
func lie(d *Diagnosis, c *testcores.Core, f Fact, truth testcores.Truth) string {
	who := role(d, c, f.Thread, truth)
	switch f.Kind {
	case Where:
		return ""
	case Death:
		if truth.Signal != 0 && (!strings.Contains(f.Text, emu.SignalName(truth.Signal)) || f.Thread == 0) {
			return "another signal"
		}
		if truth.Signal == 0 && (strings.Contains(f.Text, "SIGSEGV") || strings.Contains(f.Text, "SIGABRT")) {
			return "nobody has died"
		}
		if truth.Signal != 0 && who != truth.Thread && truth.Kind != testcores.StackOverflow && who != "" {
			return "another thread has died"
		}
		return ""
	case InCall:
		if truth.Signal == 0 && who != truth.Thread {
			return ""
		}
		for _, name := range truth.Stack {
			if name != "" && strings.Contains(f.Text, name) {
				return ""
			}
		}
		frames, _ := d.Dead.Frames()
		for _, fr := range frames {
			if name := fr.At.Function; name != "" && strings.Contains(f.Text, Demangled(name)) {
				return ""
			}
		}
		return "it is on no such stack"
	default:
	}
	if !slices.Contains(fitting[truth.Kind], f.Kind) {
		return "the cause is " + string(truth.Kind)
	}
	for _, m := range meanings {
		if strings.Contains(f.Text, m.words) && !slices.Contains(m.values, truth.Value) {
			return "the value is " + string(truth.Value)
		}
	}
	if m := wordOf.FindStringSubmatch(f.Text); m != nil && m[1] != fmt.Sprint(truth.Offset/8) {
		return fmt.Sprintf("it is word %d", truth.Offset/8)
	}
	if m := blockSize.FindStringSubmatch(f.Text); m != nil && truth.Size != 0 && f.Kind != OtherBlock && f.Kind != WildJump && hex(m[1]) != usable24(truth.Size) && f.Kind != Overrun {
		return fmt.Sprintf("the block has %#x bytes", usable24(truth.Size))
	}
	if text := firstHex.FindString(f.Text); f.Kind == BadValue && text != "" && truth.Bits != 0 && hex(text) != truth.Bits {
		return fmt.Sprintf("the value is %#x", truth.Bits)
	}
	if text := firstHex.FindString(f.Text); f.Kind == BadValue && text != "" && c.Why != nil && c.Why.Load != nil && hex(text) != c.Why.Value {
		return fmt.Sprintf("the value is %#x", c.Why.Value)
	}
	switch f.Kind {
	case FreedBy:
		if who != truth.Culprit {
			return "it was " + truth.Culprit
		}
	case Deadlock:
		if !strings.Contains(f.Text, fmt.Sprintf("of %d threads", len(truth.Cycle))) {
			return fmt.Sprintf("there are %d", len(truth.Cycle))
		}
		var roles []string
		for _, m := range regexp.MustCompile(`thread (\d+) waits`).FindAllStringSubmatch(f.Text, -1) {
			n, _ := strconv.Atoi(m[1]) // digits
			roles = append(roles, role(d, c, uint32(n), truth))
		}
		if !sameRing(roles, truth.Cycle) {
			return fmt.Sprintf("the cycle is %v and not %v", truth.Cycle, roles)
		}
	case Null:
		if !strings.Contains(f.Text, fmt.Sprintf("%d (%#x) bytes", truth.Offset, truth.Offset)) {
			return fmt.Sprintf("the member is %d bytes behind", truth.Offset)
		}
	case Overflow, Assertion, PureVirtual, Uncaught, DoubleFree, FreedBlock, Overrun, Text:
		if who != truth.Thread && truth.Kind != testcores.StackOverflow {
			return "it was " + truth.Thread
		}
	default:
	}
	return ""
}

// wanted are words that the facts of a cause must have, each of one fact of the kind.
func wanted(truth testcores.Truth) (list []want) {
	size := fmt.Sprintf("%#x bytes", usable24(truth.Size))
	switch truth.Kind {
	case testcores.MallocWord:
		word := map[testcores.Value]string{testcores.ChunkSize: "the size of", testcores.BinLink: "link", testcores.PlainNext: "link next", testcores.SafeLink: "mangled",
			testcores.TcacheKey: "the key", testcores.TcacheAddr: "the key"}[truth.Value]
		list = append(list, want{BadValue, word})
		if truth.CulpritSeen {
			list = append(list, want{FreedBy, ""})
		}
		if truth.Global == "current" {
			list = append(list, want{FreedBlock, "current"}, want{FreedBlock, size})
		}
	case testcores.OwnContent:
		list = append(list, want{BadValue, "what is left"}, want{FreedBlock, size}, want{FreedBlock, truth.Global}, want{FreedBy, ""})
	case testcores.Reused:
		list = append(list, want{Text, strconv.Quote(truth.Text)}, want{Reused, truth.Global}, want{OtherBlock, size})
	case testcores.StackOverflow:
		list = append(list, want{Overflow, truth.Stack[0]})
	case testcores.NullMember:
		list = append(list, want{Null, fmt.Sprint(truth.Offset)})
	case testcores.WildJump:
		list = append(list, want{WildJump, fmt.Sprintf("%#x", truth.Bits)}, want{WildJump, truth.Stack[1]}, want{WildJump, truth.Global})
	case testcores.DoubleFree:
		list = append(list, want{DoubleFree, truth.Text})
	case testcores.Deadlock:
		list = append(list, want{Deadlock, truth.Global})
	case testcores.StuckCond:
		list = append(list, want{Stuck, ""}, want{Waiting, "condition variable " + truth.Global})
	case testcores.Assertion:
		list = append(list, want{Assertion, truth.Text})
	case testcores.PureVirtual:
		list = append(list, want{PureVirtual, truth.Type}, want{PureVirtual, truth.Stack[2]})
	case testcores.Uncaught:
		list = append(list, want{Uncaught, truth.Type}, want{Uncaught, truth.Text})
	case testcores.Overrun:
		list = append(list, want{Text, strconv.Quote(truth.Text)}, want{Overrun, truth.Global})
	}
	return list
}

// want is a fact that there has to be: its words are in its text or evidence.
type want struct {
	kind  Kind
	words string
}

// missing are the facts that there are not.
func missing(d *Diagnosis, c *testcores.Core, truth testcores.Truth) (list []string) {
	for _, w := range wanted(truth) {
		if !slices.ContainsFunc(d.Facts, func(f Fact) bool {
			return f.Kind == w.kind && strings.Contains(f.Text+strings.Join(f.Evidence, "\n"), w.words) && (w.kind != FreedBy || role(d, c, f.Thread, truth) == truth.Culprit)
		}) {
			list = append(list, fmt.Sprintf("%s with %q", w.kind, w.words))
		}
	}
	return list
}

// sameRing tells whether two rings are the same one: where a ring is begun has no meaning.
func sameRing(a, b []string) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if slices.Equal(slices.Concat(a[i:], a[:i]), b) {
			return true
		}
	}
	return len(a) == 0
}

func TestSameRing(t *testing.T) {
	for _, test := range []struct {
		a, b []string
		want bool
	}{
		{nil, nil, true},
		{[]string{"a", "b"}, []string{"b", "a"}, true},
		{[]string{"a", "b", "c"}, []string{"c", "a", "b"}, true},
		{[]string{"a", "b", "c"}, []string{"b", "a", "c"}, false},
		{[]string{"a", "b", "c"}, []string{"a", "b"}, false},
	} {
		if got := sameRing(test.a, test.b); got != test.want {
			t.Errorf("%q and %q: %v, want %v", test.a, test.b, got, test.want)
		}
	}
}
