package target

import (
	"fmt"
	"hash/fnv"
	"strings"
	"testing"
)

func at(n uint64) *uint64 { return &n }

func status(n int) *int { return &n }

// frame is a frame of a build of libc.
func frame(function string, offset uint64) Frame {
	begin := fnv.New32()
	_, _ = begin.Write([]byte(function)) // which cannot fail
	return Frame{Function: function, Offset: at(offset), Module: "libc.so.6", BuildID: "aa", ModuleOffset: at(uint64(begin.Sum32()) + offset)}
}

// elsewhere is a frame as another build has it.
func elsewhere(f Frame) Frame {
	f.BuildID, f.ModuleOffset, f.Offset = "bb", at(*f.ModuleOffset+8), at(*f.Offset+4)
	return f
}

var process = Process{Arch: "arm64", Modules: []Module{{"ld-linux-aarch64.so.1", "cc"}, {"libc.so.6", "aa"}}}

// TestCompare: what comes near is told by grade, and what keeps it from more.
func TestCompare(t *testing.T) {
	crash := End{Kind: "segv", Arch: "arm64", Value: MallocSize, Backtrace: []Frame{frame("getenv", 0x94), frame("guess_category_value", 0x30), frame("__dcigettext", 0x1e8)}}
	with := func(e End, change func(*End)) End {
		e.Backtrace = append([]Frame{}, e.Backtrace...)
		e.Waits = append([]Wait{}, e.Waits...)
		change(&e)
		return e
	}
	double := End{Kind: "abort", Message: "free(): double free detected in tcache 2\n", Backtrace: []Frame{
		frame("__pthread_kill_implementation", 1), frame("raise", 2), frame("abort", 3), frame("__libc_message", 4), frame("malloc_printerr", 5), frame("_int_free", 6), frame("free", 7)}}
	stuck := End{Kind: "deadlock", Waits: []Wait{
		{Thread: "a", What: "mutex", Backtrace: []Frame{frame("__lll_lock_wait", 1), frame("pthread_mutex_lock", 2), frame("transfer", 3)}},
		{Thread: "b", What: "mutex", Backtrace: []Frame{frame("__lll_lock_wait", 1), frame("pthread_mutex_lock", 2), frame("audit", 4)}},
	}}
	for _, c := range []struct {
		name      string
		want, got End
		grade     Grade
		differs   string // part of the first
	}{
		{"the same", crash, crash, Instruction, ""},
		{"another thread and register", crash, with(crash, func(e *End) { e.Thread, e.Register = "x", "x9" }), Instruction, ""},
		{"another value", crash, with(crash, func(e *End) { e.Value = Null }), Instruction, "the value is of another kind: null, not malloc-size"},
		{"a value that is not known", crash, with(crash, func(e *End) { e.Value = "" }), Instruction, ""},
		{"another instruction", crash, with(crash, func(e *End) { e.Backtrace[0] = frame("getenv", 0x98) }), SameValue, "the instruction is another: getenv+0x98, not getenv+0x94"},
		{"and another value", crash, with(crash, func(e *End) { e.Backtrace[0], e.Value = frame("getenv", 0x98), Null }), Function, "the value is of another kind"},
		{"another caller", crash, with(crash, func(e *End) { e.Backtrace[1] = frame("tzset_internal", 4) }), SameValue, "it is called by tzset_internal+0x4, not by guess_category_value+0x30"},
		{"another call of the caller", crash, with(crash, func(e *End) { e.Backtrace[1] = frame("guess_category_value", 4) }), Instruction, ""},
		{"no caller", crash, with(crash, func(e *End) { e.Backtrace = e.Backtrace[:1] }), SameValue, "not called by guess_category_value+0x30, but by the thread itself"},
		{"callers that are not wanted", with(crash, func(e *End) { e.Backtrace = e.Backtrace[:1] }), crash, Instruction, ""},
		{"callers in the program", with(crash, func(e *End) { e.Backtrace[1] = Frame{Function: "main", Offset: at(1), Module: "app", BuildID: "dd"} }), with(crash, func(e *End) { e.Backtrace = e.Backtrace[:1] }), Instruction, ""},
		{"a caller that is not known", with(crash, func(e *End) { e.Backtrace[1] = Frame{} }), with(crash, func(e *End) { e.Backtrace = e.Backtrace[:1] }), Instruction, ""},
		{"another function", crash, with(crash, func(e *End) { e.Backtrace[0] = frame("setenv", 0x94) }), None, "it is at setenv+0x94, not at getenv+0x94"},
		{"another kind", crash, with(crash, func(e *End) { e.Kind = "abort" }), None, "it is of kind abort, not segv"},
		{"another build", crash, with(crash, func(e *End) { e.Backtrace[0] = elsewhere(e.Backtrace[0]) }), SameValue, "another build"},
		{"another build, offsets alike", crash, with(crash, func(e *End) { e.Backtrace[0].BuildID = "bb" }), SameValue, "another build"},
		{"another library", crash, with(crash, func(e *End) { e.Backtrace[0].Module, e.Backtrace[0].BuildID = "libfoo.so.1", "ee" }), None, "it is at getenv"},
		{"a file with its version", with(crash, func(e *End) { e.Backtrace[0].Module, e.Backtrace[0].BuildID = "libc-2.31.so", "ee" }), crash, SameValue, "another build"},
		{"by hand", End{Kind: "segv", Backtrace: []Frame{{Function: "getenv", Offset: at(0x94)}}}, crash, Instruction, ""},
		{"by hand, another offset", End{Kind: "segv", Backtrace: []Frame{{Function: "getenv", Offset: at(0x9c)}}}, crash, Function, "the instruction is another"},
		{"by hand, of another architecture", End{Kind: "segv", Arch: "amd64", Backtrace: []Frame{{Function: "getenv", Offset: at(0x94)}}}, crash, Function, "another build"},
		{"without names", End{Kind: "segv", Backtrace: []Frame{{Module: "libc.so.6", BuildID: "aa", ModuleOffset: crash.Backtrace[0].ModuleOffset}}}, crash, Instruction, ""},
		{"without names, elsewhere", End{Kind: "segv", Backtrace: []Frame{{Module: "libc.so.6", BuildID: "aa", ModuleOffset: at(1)}}}, crash, None, "it is at getenv+0x94"},
		{"an alias", with(crash, func(e *End) { e.Backtrace[0].Function, e.Backtrace[0].BuildID = "__GI_getenv", "ee" }), crash, SameValue, "another build"},
		{"a jump", End{Kind: "segv", Access: "execute", Backtrace: []Frame{{}, frame("call_init", 8)}}, End{Kind: "segv", Access: "execute", Backtrace: []Frame{{}, frame("call_init", 8)}}, Instruction, ""},
		{"no jump", End{Kind: "segv", Access: "execute", Backtrace: []Frame{{}, frame("call_init", 8)}}, End{Kind: "segv", Access: "read", Backtrace: []Frame{frame("call_init", 8)}}, None, "the access is to read, not to execute"},

		{"an abort", double, double, Instruction, ""},
		{"with another number", double, with(double, func(e *End) { e.Message = strings.Replace(e.Message, "2", "5", 1) }), Instruction, ""},
		{"with another message", double, with(double, func(e *End) { e.Message = "free(): invalid pointer" }), Function, `what it says is another: "free(): invalid pointer"`},
		{"from another call", double, with(double, func(e *End) { e.Backtrace[5] = frame("_int_free", 9) }), SameValue, "the instruction is another: _int_free+0x9"},
		{"from another function", double, with(double, func(e *End) { e.Backtrace[5] = frame("realloc", 9) }), None, "it is at realloc+0x9, not at _int_free+0x6"},
		{"by other ways to the end", double, with(double, func(e *End) { e.Backtrace = append([]Frame{frame("tgkill", 1)}, e.Backtrace[1:]...) }), Instruction, ""},
		{"an assertion of another program", End{Kind: "abort", Message: "a: f.c:3: f: Assertion `x' failed.", Backtrace: []Frame{{Function: "f"}}}, End{Kind: "abort", Message: "b: f.c:9: f: Assertion `x' failed.", Backtrace: []Frame{{Function: "f"}}}, SameValue, ""},

		{"a deadlock", stuck, stuck, Instruction, ""},
		{"the other way round, and one more", stuck, with(stuck, func(e *End) {
			e.Waits = []Wait{e.Waits[1], {What: "semaphore", Backtrace: []Frame{frame("sem_wait", 1)}}, e.Waits[0]}
		}), Instruction, ""},
		{"of other builds", stuck, with(stuck, func(e *End) {
			for i := range e.Waits {
				var list []Frame
				for _, f := range e.Waits[i].Backtrace {
					list = append(list, elsewhere(f))
				}
				e.Waits[i].Backtrace = list
			}
		}), SameValue, ""},
		{"for other things", stuck, with(stuck, func(e *End) {
			e.Waits[0].What, e.Waits[0].Backtrace = "lock", []Frame{elsewhere(frame("pthread_mutex_lock", 2))}
		}), Function, ""},
		{"with one alone", stuck, with(stuck, func(e *End) { e.Waits = e.Waits[:1] }), None, "no thread waits in pthread_mutex_lock+0x2"},
		{"of anybody", End{Kind: "deadlock"}, stuck, Function, ""},
		{"in one more function", End{Kind: "deadlock", Waits: []Wait{{What: "mutex"}, {}}}, stuck, Function, ""},

		{"a check", End{Kind: "check", Message: "3 of 4"}, End{Kind: "check", Message: "2 of 4"}, SameValue, ""},
		{"another check", End{Kind: "check", Message: "3 of 4"}, End{Kind: "check", Message: "lost"}, None, "what it says is another"},
		{"any check", End{Kind: "check"}, End{Kind: "check", Message: "lost"}, Function, ""},
		{"a status", End{Kind: "exit", Code: status(3)}, End{Kind: "exit", Code: status(3)}, SameValue, ""},
		{"another status", End{Kind: "exit", Code: status(3)}, End{Kind: "exit", Code: status(4)}, None, "the status is 4, not 3"},
		{"another signal", End{Kind: "signal", Signal: 8}, End{Kind: "signal", Signal: 5}, None, "the signal is 5, not 8"},
	} {
		m := Compare(&c.want, &c.got, process)
		if m.Grade != c.grade || (c.differs == "") != (len(m.Differs) == 0) || c.differs != "" && !strings.Contains(m.Differs[0], c.differs) {
			t.Errorf("%s: %v, %q; want %v, %q", c.name, m.Grade, m.Differs, c.grade, c.differs)
		}
		if best, why := Best(&c.want, process); m.Grade > best && best != Instruction {
			t.Errorf("%s: it comes to %v, and the best is said to be %v: %s", c.name, m.Grade, best, why)
		}
	}
}

// TestBest: what no run can come to is known before, and why.
func TestBest(t *testing.T) {
	whole := End{Kind: "segv", Arch: "arm64", Value: MallocSize, Backtrace: []Frame{frame("getenv", 0x94)}}
	older := Process{Arch: "arm64", Modules: []Module{{"libc.so.6", "bb"}}}
	for _, c := range []struct {
		want End
		p    Process
		best Grade
		why  string
	}{
		{whole, process, Instruction, ""},
		{whole, Process{}, Instruction, ""},
		{whole, older, SameValue, "it is of another build of libc.so.6"},
		{whole, Process{Arch: "amd64"}, SameValue, "it is of arm64"},
		{End{Kind: "segv", Backtrace: whole.Backtrace}, older, Function, "it is of another build of libc.so.6"},
		{End{Kind: "segv", Backtrace: []Frame{{Function: "getenv"}}}, process, Function, "it names no instruction"},
		{End{Kind: "segv", Backtrace: []Frame{{Function: "inflate", Offset: at(1), Module: "libz.so.1", BuildID: "ff"}}}, process, Instruction, ""}, // it may be loaded
		{End{Kind: "check", Message: "x"}, process, SameValue, "it names no instruction"},
		{End{Kind: "check"}, process, Function, "it names neither an instruction nor what is said"},
		{End{Kind: "deadlock"}, process, Function, "it does not say where threads wait"},
		{End{Kind: "deadlock", Waits: []Wait{{What: "mutex", Backtrace: whole.Backtrace}}}, process, Instruction, ""},
		{End{Kind: "deadlock", Waits: []Wait{{What: "mutex", Backtrace: whole.Backtrace}, {What: "mutex"}}}, process, SameValue, "it does not say where each thread waits"},
		{End{Kind: "deadlock", Waits: []Wait{{What: "mutex", Backtrace: whole.Backtrace}, {Backtrace: whole.Backtrace}}}, older, Function, "it is of another build of libc.so.6"},
	} {
		if best, why := Best(&c.want, c.p); best != c.best || why != c.why {
			t.Errorf("%v in %v: %v, %q; want %v, %q", c.want, c.p, best, why, c.best, c.why)
		}
	}
}

// TestNames: what is one function, and one module, in all builds.
func TestNames(t *testing.T) {
	for name, want := range map[string]string{
		"getenv": "getenv", "__GI_getenv": "getenv", "___pthread_mutex_lock": "pthread_mutex_lock", "__new_sem_wait_slow64.constprop.0": "sem_wait_slow64",
		"__strlen_avx2": "strlen", "__memmove_avx_unaligned_erms": "memmove", "__strlen_asimd": "strlen", "my_avx2": "my_avx2", "_ZN1a1bEv": "ZN1a1bEv",
		"memcpy@@GLIBC_2.14": "memcpy", "__libc_free": "free", ".L1": ".L1", "__": "__", "_int_free": "int_free", "": "",
	} {
		if got := plain(name); got != want {
			t.Errorf("%s is %s, want %s", name, got, want)
		}
	}
	for name, want := range map[string]string{
		"libc.so.6": "libc", "libc-2.31.so": "libc", "libpthread-2.31.so": "libc", "ld-2.31.so": "libc", "ld-linux-x86-64.so.2": "libc", "ld-musl-aarch64.so.1": "libc",
		"libstdc++.so.6.0.30": "libstdc++", "libz.so.1": "libz", "a.out": "a.out", "python3.11": "python3.11", "libm.so.6": "libm",
	} {
		if got := stem(name); got != want {
			t.Errorf("%s is %s, want %s", name, got, want)
		}
	}
}

// TestPaired holds the matching to trying all of them.
func TestPaired(t *testing.T) {
	for bits := range 1 << 9 {
		grades := make([][]Grade, 3)
		for i := range grades {
			grades[i] = make([]Grade, 3)
			for k := range grades[i] {
				grades[i][k] = Grade(bits >> (3*i + k) & 1)
			}
		}
		want := false
		for _, p := range [][3]int{{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}} {
			want = want || grades[0][p[0]]+grades[1][p[1]]+grades[2][p[2]] == 3
		}
		if _, got := paired(grades, Function); got != want {
			t.Fatalf("%v: %v, want %v", fmt.Sprint(grades), got, want)
		}
	}
}
