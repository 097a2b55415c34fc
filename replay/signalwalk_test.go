package replay

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"emurace/loader"
	"emurace/scenario"
)

// signalMoment is what there was after an instruction, by thread.
type signalMoment struct {
	by   int // the thread that ran it, -1 for the beginning
	word []uint64
	call []int
	mem  []byte
}

// walkSignals goes through a run. Moment n is after n instructions; moved are those after which the clock
// was moved on.
func walkSignals(t *testing.T, s *scenario.Session, schedule scenario.Schedule, block uint64) (list []signalMoment, moved []int) {
	t.Helper()
	must(t, s.Restart())
	look := func(by int) {
		m := signalMoment{by: by}
		for i := range s.Threads() {
			word, ok := s.Process().WaitsFor(s.MachineThread(i))
			if !ok {
				word = 0
			}
			m.word, m.call = append(m.word, word), append(m.call, len(s.Results(i)))
		}
		m.mem, _ = s.Process().Read(block, raceSize)
		m.mem = slices.Clone(m.mem)
		list = append(list, m)
	}
	look(-1)
	for _, sl := range schedule {
		for range sl.N {
			if _, over := s.Outcome(); over {
				break
			}
			before := s.Steps()
			if _, err := s.Run(sl.Thread, 1); err != nil {
				t.Fatal(err)
			}
			if s.Steps() == before {
				moved = append(moved, len(list)-1)
				by := list[len(list)-1].by
				list = list[:len(list)-1]
				look(by)
				continue
			}
			look(sl.Thread)
		}
	}
	return list, moved
}

// signalsAreTrue compares what is said of signals with the run.
func signalsAreTrue(t *testing.T, s *scenario.Session, schedule scenario.Schedule, x *Explanation, block uint64, seen map[string]int) error {
	t.Helper()
	if x.Outcome.Kind != scenario.Deadlock {
		return nil
	}
	seen["deadlocks"]++
	run, moved := walkSignals(t, s, schedule, block)
	names := s.Names()
	callOf := func(thread, n int) (fn string, object uint64) {
		if made, ok, _ := s.Body(thread).Next(s.Results(thread)[:n]); ok && len(made.Args) > 0 {
			return made.Func, made.Args[0].Value
		}
		return "", 0
	}
	index := func(name string) int { return slices.Index(names, name) }
	// inWait tells whether a thread was in a call that waits for an object, before an instruction.
	inWait := func(thread int, n uint64, object uint64) bool {
		fn, of := callOf(thread, run[n].call[thread])
		return of == object && (strings.HasPrefix(fn, "pthread_cond_") && strings.HasSuffix(fn, "wait") || fn == "sem_wait" || fn == "sem_timedwait" || fn == "sem_trywait")
	}
	value := func(n uint64, addr uint64) uint64 {
		v := number64(run[n].mem[addr-block:][:4])
		if v == 0xffffffff { // of musl's semaphores: none is there, and somebody waits
			return 0
		}
		return v & 0x7fffffff
	}
	musl := s.Libc().Name == loader.Musl.String()
	for _, w := range x.Waits {
		i := index(w.Thread)
		if last := uint64(len(run) - 1); w.Since > 0 {
			if run[w.Since].word[i] == 0 || run[w.Since-1].word[i] != 0 {
				return fmt.Errorf("%s has not begun to wait by instruction %d", w.Thread, w.Since)
			}
			for n := w.Since; n <= last; n++ {
				if run[n].word[i] == 0 {
					return fmt.Errorf("%s does not wait after instruction %d", w.Thread, n)
				}
			}
		}
		if w.HeldBy != "" || w.What != conditionVariable && w.What != semaphore {
			continue
		}
		if fn, of := callOf(i, run[len(run)-1].call[i]); of != w.Object || !strings.HasSuffix(fn, "wait") {
			return fmt.Errorf("%s is in %s of %#x, and waits for %#x", w.Thread, fn, of, w.Object)
		}
		told := 0
		for n := range w.Signals {
			sig := &w.Signals[n]
			if !sig.Back {
				told++
			}
			if err := signalIsTrue(run, sig, w.Object, index, inWait, callOf, value, moved, seen); err != nil {
				return fmt.Errorf("%+v: %w", *sig, err)
			}
		}
		made := 0
		for t := range names {
			for c := 0; c <= run[len(run)-1].call[t]; c++ {
				fn, of := callOf(t, c)
				begun := slices.ContainsFunc(run[1:], func(m signalMoment) bool { return m.by == t }) // its first call has
				if c > 0 {
					begun = slices.ContainsFunc(run[1:], func(m signalMoment) bool { return m.by == t && m.call[t] > c }) || ran(run, t, c)
				}
				if of == w.Object && begun && (strings.HasSuffix(fn, "signal") || strings.HasSuffix(fn, "broadcast") || fn == "sem_post") {
					made++
				}
			}
		}
		if made != told || w.Unsignalled != (made+len(w.Signals) == 0) {
			return fmt.Errorf("%d signals are told of, %d were made", told, made)
		}
	}
	// Whoever ceased to wait by what another one did, in a call that wakes, is said to have been woken.
	for n := uint64(1); n < uint64(len(run)); n++ {
		for i := range names {
			by := run[n].by
			if by < 0 || by == i || run[n-1].word[i] == 0 || run[n].word[i] != 0 || slices.Contains(moved, int(n)) {
				continue
			}
			fn, of := callOf(by, run[n-1].call[by])
			if musl && fn != "sem_post" && condWord(run[n-1].word[i], of) {
				continue // its own lock
			}
			if !inWait(i, n, of) || !strings.HasSuffix(fn, "signal") && !strings.HasSuffix(fn, "broadcast") && fn != "sem_post" {
				continue
			}
			for _, w := range x.Waits {
				if w.Object != of || w.HeldBy != "" {
					continue
				}
				if !slices.ContainsFunc(w.Signals, func(sig Signalled) bool {
					return sig.Thread == names[by] && slices.ContainsFunc(sig.Woke, func(k Woken) bool { return k.Thread == names[i] && k.Since < n && (k.Took == 0 || k.Took > n) })
				}) {
					return fmt.Errorf("instruction %d of %s woke %s, and nothing is said of it", n, names[by], names[i])
				}
			}
		}
	}
	return nil
}

// ran tells whether a thread ran an instruction of its call.
func ran(run []signalMoment, thread, call int) bool {
	for n := 1; n < len(run); n++ {
		if run[n].by == thread && run[n-1].call[thread] == call {
			return true
		}
	}
	return false
}

func signalIsTrue(run []signalMoment, sig *Signalled, object uint64, index func(string) int, inWait func(int, uint64, uint64) bool,
	callOf func(int, int) (string, uint64), value func(n, addr uint64) uint64, moved []int, seen map[string]int,
) error {
	seen["signals"]++
	by := index(sig.Thread)
	if run[sig.Step].by != by {
		return fmt.Errorf("instruction %d is of thread %d", sig.Step, run[sig.Step].by)
	}
	call := run[sig.Step-1].call[by]
	fn, of := callOf(by, call)
	if of != object || !strings.HasPrefix(sig.Call, fn+"(") || sig.Back != inWait(by, sig.Step-1, object) {
		return fmt.Errorf("it is in %s of %#x", fn, of)
	}
	from, to := uint64(0), uint64(0)
	for n := range uint64(len(run)) {
		if n > 0 && run[n].by == by && run[n-1].call[by] == call {
			if from == 0 {
				from = n
			}
			to = n
		}
	}
	if run[len(run)-1].call[by] == call {
		to = uint64(len(run) - 1)
	}
	if sig.Back {
		from = sig.Step
		seen["put back"]++
	}
	if sig.Word != 0 && value(sig.Step, sig.Word) <= value(sig.Step-1, sig.Word) {
		return fmt.Errorf("nothing was put at %#x", sig.Word)
	}
	for _, w := range sig.Woke {
		seen["woken"]++
		i, woken := index(w.Thread), uint64(0)
		for n := from; n <= to; n++ {
			if run[n].by == by && run[n-1].word[i] != 0 && run[n].word[i] == 0 {
				woken = n
			}
		}
		if woken == 0 || run[w.Since].word[i] == 0 || run[w.Since-1].word[i] != 0 || !inWait(i, w.Since, object) {
			return fmt.Errorf("%s has not waited or was not woken", w.Thread)
		}
		for n := w.Since; n < woken; n++ {
			if run[n].word[i] == 0 {
				return fmt.Errorf("%s has not waited after instruction %d", w.Thread, n)
			}
		}
		if w.Took > 0 {
			seen["took"]++
			if at := uint64(0); run[w.Took].by != i || !inWait(i, w.Took-1, object) || !lower(run, w.Took, object, &at, value) || w.Took <= woken {
				return fmt.Errorf("%s has taken nothing", w.Thread)
			}
		}
		if w.Back > 0 {
			seen["back"]++
			if run[w.Back].by != i || run[w.Back].call[i] != run[w.Since].call[i]+1 {
				return fmt.Errorf("%s has not come back from its call", w.Thread)
			}
		} else if run[len(run)-1].call[i] != run[w.Since].call[i] {
			return fmt.Errorf("%s has come back from its call", w.Thread)
		}
		again := uint64(0)
		for n := woken + 1; n < uint64(len(run)) && again == 0; n++ {
			if run[n].word[i] != 0 && run[n-1].word[i] == 0 && inWait(i, n, object) && condWord(run[n].word[i], object) {
				again = n
			}
		}
		if clocked := slices.Contains(moved, int(w.Again)); condWord(run[w.Since].word[i], object) && again != w.Again && !clocked {
			return fmt.Errorf("%s waits again since %d", w.Thread, again)
		}
		if w.Again > 0 {
			seen["again"]++
		}
		if w.Still != (w.Again > 0 && run[len(run)-1].word[i] != 0 && inWait(i, uint64(len(run)-1), object) && !woke(run, i, w.Again)) {
			return fmt.Errorf("%s waits still", w.Thread)
		}
	}
	for _, name := range sig.Asleep {
		seen["asleep"]++
		i := index(name)
		for n := from; n <= to && !sig.Back; n++ {
			if run[n].word[i] == 0 || run[n-1].word[i] == 0 || !inWait(i, n, object) {
				return fmt.Errorf("%s has not waited after instruction %d", name, n)
			}
			if sig.Apart && run[n].word[i] == sig.Word {
				return fmt.Errorf("%s has waited at the signal's word", name)
			}
		}
	}
	for _, name := range sig.Awake {
		seen["awake"]++
		if i := index(name); run[sig.Step].word[i] != 0 || !inWait(i, sig.Step-1, object) {
			return fmt.Errorf("%s waited", name)
		}
	}
	for i, tk := range []*Taken{sig.Taken, sig.Dropped} {
		if tk == nil {
			continue
		}
		seen[[]string{"taken", "dropped"}[i]]++
		t := index(tk.Thread)
		if run[tk.Step].by != t || inWait(t, tk.Step-1, object) != (i == 0) || value(tk.Step, sig.Word) == value(tk.Step-1, sig.Word) {
			return fmt.Errorf("it was not taken")
		}
		for n := sig.Step + 1; n < tk.Step; n++ {
			if value(n, sig.Word)/2 != value(sig.Step, sig.Word)/2 {
				return fmt.Errorf("the word was changed by instruction %d in between", n)
			}
		}
		if i == 0 && value(tk.Step, sig.Word) != value(sig.Step-1, sig.Word) {
			return fmt.Errorf("more than it was taken")
		}
	}
	return nil
}

// condWord tells whether a word is one of the object's own.
func condWord(word, object uint64) bool { return word >= object && word < object+48 }

// woke tells whether a thread ceased to wait after an instruction.
func woke(run []signalMoment, thread int, from uint64) bool {
	return slices.ContainsFunc(run[from:], func(m signalMoment) bool { return m.word[thread] == 0 })
}

// lower tells whether an instruction made a word of an object lower.
func lower(run []signalMoment, n, object uint64, at *uint64, value func(n, addr uint64) uint64) bool {
	for *at = object; *at < object+48; *at += 4 {
		if value(n, *at) < value(n-1, *at) {
			return true
		}
	}
	return false
}
