package portable_test

import (
	"errors"
	"strings"
	"testing"

	"emurace/emu"
	"emurace/internal/guestcode"
	"emurace/internal/testrace"
	"emurace/internal/testsystem"
	"emurace/loader"
	"emurace/scenario"
	"emurace/scripts/portable"
)

// source is what main and the worker call in TestConditions: work counts up to
// three, with a call for each, and stores what it has counted.
const source = `
volatile unsigned long count, copy, lone;
volatile unsigned char bytes[16];
volatile unsigned *small = 0;
__attribute__((noinline)) unsigned long inc(unsigned long n) { count = n + 1; return n + 1; }
__attribute__((noinline)) void deeper(void) { copy = inc(count); }
unsigned long work(void) {
	unsigned long n = 0;
	for (int i = 0; i < 3; i++) n = inc(n);
	copy = n;
	deeper();
	bytes[3] = 7;
	unsigned long want = 1;
	__atomic_compare_exchange_n(&count, &want, 9, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
	return n + lone;
}
`

// race is a session whose threads call functions of a source, and where these and
// its variables are.
type race struct {
	*scenario.Session
	at map[string]uint64
}

// guestRace starts threads, main and worker, that make calls of the functions named.
func guestRace(t *testing.T, sys *emu.System, source string, threads ...[]string) race {
	t.Helper()
	code := guestcode.Build(t, sys.Arch, source)
	r := race{at: map[string]uint64{}}
	plan := &scenario.Plan{Setup: func(u *scenario.Setup) error {
		base, err := u.Code(code.Bytes, uint64(len(code.Bytes)))
		for name, off := range code.Symbols {
			r.at[name] = base + off
		}
		return err
	}}
	for i, list := range threads {
		plan.Threads = append(plan.Threads, scenario.Thread{Name: []string{"main", "worker"}[i], Body: testrace.Called(func() (calls scenario.Calls) {
			for _, f := range list {
				f, arg, _ := strings.Cut(f, " ")
				c := scenario.Call{Func: f, Addr: r.at[f]}
				if arg != "" {
					c.Args = []scenario.Arg{scenario.Int(r.at[arg])}
				}
				calls = append(calls, c)
			}
			return calls
		})})
	}
	r.Session = testrace.Start(t, sys, plan)
	return r
}

func (r race) word(t *testing.T, name string) uint64 {
	t.Helper()
	v, ok := r.Process().Read64(r.at[name])
	if !ok {
		t.Fatalf("%s is not mapped", name)
	}
	return v
}

// Each condition stops where it says, as what memory holds then shows.
func TestConditions(t *testing.T) {
	four, nine, seven := uint64(4), uint64(9), uint64(7)
	testsystem.EachArch(t, func(t *testing.T, arch loader.Arch) {
		r := guestRace(t, testsystem.Of(t, "bookworm", arch), source, []string{"work", "work"}, []string{"work"})
		p := portable.New(r.Session)
		addr := func(name string) portable.Loc { return portable.Loc{Addr: r.at[name]} }
		place := func(name string) portable.Until { return portable.At{Place: portable.Place{Addr: r.at[name]}} }
		access := func(w portable.Way, name string) portable.Access { return portable.Access{Way: w, Loc: addr(name)} }
		with := func(a portable.Access, v *uint64, size uint64) portable.Access {
			a.Value, a.Size = v, size
			return a
		}
		for _, c := range []struct {
			until       portable.Until
			hit         int
			count, copy uint64
			results     int
			pc          string // the function at whose beginning the thread is, "" for another place
		}{
			{place("inc"), 1, 0, 0, 0, "inc"},
			{place("inc"), 3, 2, 0, 0, "inc"},
			{place("inc"), 4, 3, 3, 0, "inc"},
			{place("inc"), 5, 4, 4, 1, "inc"}, // of the second call
			{place("work"), 1, 4, 4, 1, "work"},
			{calls("work"), 1, 4, 4, 1, "work"},
			{returns("work"), 1, 4, 4, 1, "work"},
			{returns("work"), 2, 4, 4, 2, ""},
			{access(portable.Writes, "count"), 1, 1, 0, 0, ""},
			{access(portable.Writes, "count"), 4, 4, 3, 0, ""},
			{access(portable.Writes, "count"), 5, 1, 4, 1, ""}, // the exchange has only read
			{access(portable.Reads, "count"), 1, 3, 3, 0, ""},  // deeper's argument
			{access(portable.Reads, "count"), 2, 4, 4, 0, ""},  // the exchange that fails
			{access(portable.Touches, "count"), 4, 3, 3, 0, ""},
			{with(access(portable.Writes, "count"), &four, 0), 1, 4, 3, 0, ""},
			{with(access(portable.Writes, "count"), &four, 8), 2, 4, 3, 1, ""},
			{with(access(portable.Writes, "bytes"), &seven, 1), 0, 0, 0, 0, "never"}, // bytes[3] is another one
			{access(portable.Writes, "bytes"), 1, 4, 4, 0, ""},
			{with(access(portable.Writes, "count"), &nine, 0), 1, 0, 0, 0, "never"},
			{portable.Access{Way: portable.Writes, Loc: portable.Loc{Addr: r.at["bytes"], Off: 3}, Size: 1, Value: &seven}, 1, 4, 4, 0, ""},
			{portable.Calls{Func: name("work"), In: name("work")}, 1, 4, 4, 1, "work"},
		} {
			testrace.Must(t, r.Restart())
			st, err := p.Step(portable.Run{Thread: "main", Until: c.until, Hit: c.hit})
			var unmet *portable.UnmetError
			if c.pc == "never" {
				if !errors.As(err, &unmet) || st.Why != portable.Ended || st.Seen != 0 {
					t.Errorf("%v: %+v, %v", c.until, st, err)
				}
				continue
			}
			pc, pcErr := r.Process().PC(0)
			testrace.Must(t, pcErr)
			count, copied := r.word(t, "count"), r.word(t, "copy")
			if err != nil || st.Why != portable.Reached || st.Seen != c.hit || count != c.count || copied != c.copy || len(r.Results(0)) != c.results || c.pc != "" && pc != r.at[c.pc] {
				t.Errorf("%v, hit %d: %+v, %v; count %d, copy %d, %d results, at %#x; want %+v", c.until, c.hit, st, err, count, copied, len(r.Results(0)), pc, c)
			}
			if st.Ran != r.Steps() {
				t.Errorf("%v: %d instructions, not %d", c.until, r.Steps(), st.Ran)
			}
		}
	})
}

// Where a thread stands when a run begins does not count, and a run that is told so
// many instructions runs so many.
func TestOnwards(t *testing.T) {
	testsystem.EachArch(t, func(t *testing.T, arch loader.Arch) {
		r := guestRace(t, testsystem.Of(t, "bookworm", arch), source, []string{"work"})
		p := portable.New(r.Session)
		inc := portable.Run{Thread: "main", Until: portable.At{Place: portable.Place{Addr: r.at["inc"]}}}
		for k := range uint64(3) {
			if _, err := p.Step(inc); err != nil || r.word(t, "count") != k {
				t.Errorf("%v, count %d, want %d", err, r.word(t, "count"), k)
			}
		}
		before := r.Steps()
		st, err := p.Step(portable.Run{Thread: "main", N: 2})
		if err != nil || st.Why != portable.Reached || st.Ran != 2 || r.Steps() != before+2 {
			t.Errorf("two instructions: %+v, %v", st, err)
		}
		st, err = p.Step(portable.Run{Thread: "main", N: 1 << 30})
		if err != nil || st.Why != portable.Ended || st.Ran != r.Steps()-before-2 {
			t.Errorf("more than there are: %+v, %v", st, err)
		}
	})
}

// waiting is two threads of which main waits for the worker.
const waiting = `
volatile unsigned word, other;
long wait(void) {
	long r;
#ifdef __aarch64__
	register long x0 __asm__("x0") = (long)&word, x1 __asm__("x1") = 0, x2 __asm__("x2") = 0, x3 __asm__("x3") = 0, x8 __asm__("x8") = 98;
	__asm__ volatile("svc 0" : "+r"(x0) : "r"(x1), "r"(x2), "r"(x3), "r"(x8) : "memory");
	r = x0;
#else
	register long r10 __asm__("r10") = 0;
	__asm__ volatile("syscall" : "=a"(r) : "a"(202), "D"(&word), "S"(0), "d"(0), "r"(r10) : "rcx", "r11", "memory");
#endif
	other = 1;
	return r;
}
long crash(void) { word = 1; return *(volatile long *)8; }
long loop(void) { while (!word) { } return 0; }
`

// What does not come about is told with the run's number and what came instead; a
// crash is a result.
func TestErrors(t *testing.T) {
	big := uint64(256)
	testsystem.EachArch(t, func(t *testing.T, arch loader.Arch) {
		r := guestRace(t, testsystem.Of(t, "bookworm", arch), waiting, []string{"wait"}, []string{"crash"})
		endless := guestRace(t, testsystem.Of(t, "bookworm", arch), waiting, []string{"loop"}, []string{"loop"})
		endless.Limit = 10_000
		other := portable.Access{Way: portable.Writes, Loc: portable.Loc{Addr: r.at["other"]}, Size: 4}
		word := portable.Access{Way: portable.Writes, Loc: portable.Loc{Addr: r.at["word"]}, Size: 4}
		for _, c := range []struct {
			on   race
			runs []portable.Run
			want string
		}{
			{r, []portable.Run{{Thread: "main", Until: other}}, "run 1: run(\"main\", until = writes(0x"},
			{r, []portable.Run{{Thread: "main", Until: other}}, "main waits for the word at 0x"},
			{r, []portable.Run{{Thread: "main", Until: other, Hit: 2}}, "came true 0 of 2 times"},
			{r, []portable.Run{{Thread: "main"}, {Thread: "main"}}, "run 2: run(\"main\"): main cannot run: it waits for the word at 0x"},
			{r, []portable.Run{{Thread: "nobody"}}, `no thread "nobody", only main, worker`},
			{r, []portable.Run{{Thread: "main", Hit: 2}}, "no condition to come true"},
			{r, []portable.Run{{Thread: "main", Until: other, Hit: -1}}, "less than 1"},
			{r, []portable.Run{{Thread: "main", Until: other, N: 1}}, "both a condition and a number"},
			{r, []portable.Run{{Thread: "main", Half: true}}, "neither a condition nor a number says which"},
			{r, []portable.Run{{Thread: "main", Until: other, Half: true}}, "main waits for the word at 0x"},
			{endless, []portable.Run{{Thread: "main", N: 20_000, Half: true}}, "main is held at the limit of 10000 instructions, after 10000"},
			{r, []portable.Run{{Thread: "main", Until: portable.Access{Way: portable.Reads, Loc: portable.Loc{Addr: ^uint64(0)}}}}, "beyond all addresses"},
			{r, []portable.Run{{Thread: "main", Until: portable.Access{}}}, "not reads, writes or touches"},
			{r, []portable.Run{{Thread: "main", Until: portable.Access{Way: 9}}}, "not reads, writes or touches"},
			{r, []portable.Run{{Thread: "main", Until: portable.Access{Way: portable.Reads, Size: 1 << 40}}}, "more than 4294967296 bytes"},
			{r, []portable.Run{{Thread: "main", Until: portable.Access{Way: portable.Reads, Size: 9, Value: &big}}}, "at most 8 bytes"},
			{r, []portable.Run{{Thread: "main", Until: portable.Access{Way: portable.Reads, Size: 1, Value: &big}}}, "does not fit into 1 bytes"},
			{r, []portable.Run{{Thread: "main", Until: reads(wordAt(portable.Loc{Addr: 8}, 0))}}, "word(0x8): nothing is mapped at 0x8"},
			{r, []portable.Run{{Thread: "main", Until: reads(wordAt(portable.Loc{Addr: r.at["word"]}, 0))}}, "it is 0 when the run begins"},
			{r, []portable.Run{{Thread: "main", Until: calls("getenvv")}}, `"getenvv": the process has no such symbol`},
			{r, []portable.Run{{Thread: "main", Until: at(t, "nolib.so!getenv")}}, `"nolib.so!getenv": the process has no such symbol`},
			{r, []portable.Run{{Thread: "main", Until: reads(loc(t, "errno"))}}, "thread-local"},
			{endless, []portable.Run{{Thread: "main", Until: returns("loop")}}, "main is held at the limit of 10000 instructions, after 10000"},
			// No errors.
			{endless, []portable.Run{{Thread: "main"}}, "unfinished"},
			{r, []portable.Run{{Thread: "main"}, {Thread: "worker", Until: word}, {Thread: "worker"}, {Thread: "main", Until: other}}, "segv"},
			{r, []portable.Run{{Thread: "worker", Until: returns("crash")}}, "segv"},
			{r, nil, "segv"},
		} {
			res, err := portable.Play(c.on.Session, c.runs)
			got := string(res.Outcome.Kind)
			if err != nil {
				got = err.Error()
			}
			if !strings.Contains(got, c.want) {
				t.Errorf("%s%s, want %s", portable.Text(c.runs), got, c.want)
			}
		}
	})
}
