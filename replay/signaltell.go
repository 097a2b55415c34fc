package replay

import (
	"fmt"
	"slices"
	"strings"

	"emurace/internal/words"
)

// begins makes the fact that a thread waits a moment of the run.
func (x *Explanation) begins(w *Wait, f *Fact) {
	of := w.What
	if of == "" {
		of = "a word of memory"
	} else {
		of = "the " + of
	}
	f.Kind, f.Thread = FactWaits, x.thread(w.Thread)
	f.At, f.After = before(w.Since), w.Since
	f.Title = fmt.Sprintf("%s waits for %s", w.Thread, of)
	in := ""
	if i := x.thread(w.Thread); i >= 0 && x.Threads[i].Call != "" {
		in = ", in its call of " + x.Threads[i].Call
	}
	f.Long = []string{fmt.Sprintf("%s waits for %s from here on%s. Nobody wakes it any more.", words.Capital(w.Thread), of, in)}
}

// signals say what became of the calls that were to wake a thread.
func (x *Explanation) signals(w *Wait) (list []Fact) {
	if w.Unsignalled {
		return []Fact{{Kind: FactSignalled, Thread: -1, Short: []Text{say("  Nobody has %s it since the race began.", did(w.What))}}}
	}
	shown := w.Signals[max(0, len(w.Signals)-mostTold):]
	if more := w.Earlier + len(w.Signals) - len(shown); more > 0 {
		list = append(list, Fact{Kind: FactSignalled, Thread: -1, Short: []Text{say("  It was %s %s before what follows.", did(w.What), times(more))}})
	}
	for i := range shown {
		s := &shown[i]
		f := Fact{
			Kind: FactSignalled, At: before(s.Step), After: s.Step, Thread: x.thread(s.Thread), Addr: w.Address, Place: w.Place,
			Title: fmt.Sprintf("%s %s the %s", s.Thread, does(w.What, s.Back), w.What),
		}
		var long []string
		for i, text := range s.tell(w) {
			indent := "  "
			if i > 0 {
				indent = "    "
			}
			f.Short = append(f.Short, say("%s%s", indent, text))
			long = append(long, words.Capital(text.String()))
		}
		f.Long = []string{strings.Join(long, " ")}
		list = append(list, f)
	}
	return list
}

func did(what string) string {
	if what == semaphore {
		return "posted"
	}
	return "signalled"
}

func does(what string, back bool) string {
	switch {
	case back:
		return "puts a signal back into"
	case what == semaphore:
		return "posts"
	}
	return "signals"
}

func times(n int) string {
	if n == 1 {
		return "once"
	}
	return words.Grouped(uint64(n)) + " times"
}

// a is what was put there.
func (s *Signalled) a(what string) string {
	if what == semaphore {
		return "post"
	}
	return "signal"
}

// tell says where the signal went, in sentences.
func (s *Signalled) tell(w *Wait) []Text {
	did := did(w.What) + " it"
	switch {
	case s.Back:
		did = "put a signal back"
	case s.All:
		did = "signalled all who wait"
	}
	t := say("%s %s at instruction %s, in %s:", name(s.Thread), did, words.Grouped(s.Step), s.Call)
	var more []Text
	switch {
	case len(s.Woke) > 0:
		var parts []string
		for i := range s.Woke {
			parts = append(parts, s.Woke[i].tell(s, w.What))
		}
		list := []Text{say("%s that woke %s.", t, strings.Join(parts, ". It also woke "))}
		if len(s.Asleep) > 0 && !s.Back {
			list = append(list, say("%s waited too, and %s not woken.", someOf(s.Asleep), was(s.Asleep)))
		}
		if k := s.Taken; k != nil && !slices.ContainsFunc(s.Woke, func(w Woken) bool { return w.Thread == k.Thread }) {
			list = append(list, say("%s took it at instruction %s, in %s.", name(k.Thread), words.Grouped(k.Step), k.Call))
		}
		return list
	case s.Taken != nil && w.What == semaphore && len(s.Asleep) == 0:
		return []Text{say("%s nobody waited, and %s took it at instruction %s, in %s.", t, name(s.Taken.Thread), words.Grouped(s.Taken.Step), s.Taken.Call)}
	case s.Taken != nil:
		return []Text{
			say("%s that woke nobody.", t),
			say("%s took it at instruction %s, in %s, before it had gone to sleep.", name(s.Taken.Thread), words.Grouped(s.Taken.Step), s.Taken.Call),
		}
	case len(s.Asleep) > 0:
		t = say("%s that woke nobody, though %s waited.", t, someOf(s.Asleep))
		if s.Apart {
			more = append(more, say("It put the signal at %s, and they waited at other words of the %s.", number(addressOf(s.Word, s.Place)), w.What))
		}
	case len(s.Awake) > 0:
		t = say("%s that woke nobody, for %s had begun to wait and %s not asleep yet.", t, someOf(s.Awake), was(s.Awake))
	case w.What == semaphore:
		t = say("%s nobody waited.", t)
	default:
		t = say("%s nobody waited, and a signal is for those who wait already.", t)
	}
	if d := s.Dropped; d != nil {
		more = append(more, say("Nobody took it: %s took it away again at instruction %s, in %s.", name(d.Thread), words.Grouped(d.Step), d.Call))
	}
	return append([]Text{t}, more...)
}

// tell says who was woken and what became of that.
func (k *Woken) tell(s *Signalled, what string) string {
	since := "since before the race"
	if k.Since > 0 {
		since = fmt.Sprintf("since instruction %s", words.Grouped(k.Since))
	}
	t := fmt.Sprintf("%s, which had waited %s", k.Thread, since)
	again := fmt.Sprintf("waited again from instruction %s on", words.Grouped(k.Again))
	if k.Still {
		again = fmt.Sprintf("waits again since instruction %s", words.Grouped(k.Again))
	}
	it := "the " + s.a(what)
	if s.All || s.Taken == nil || s.Taken.Thread != k.Thread {
		it = "a " + s.a(what)
	}
	switch {
	case k.Took > 0 && k.Again > 0:
		return fmt.Sprintf("%s: it took %s, and %s", t, it, again)
	case k.Took > 0:
		return fmt.Sprintf("%s: it took %s", t, it)
	case k.Again > 0 && (k.Back == 0 || k.Again < k.Back):
		return fmt.Sprintf("%s: it found it gone, and %s", t, again)
	case k.Again > 0:
		return fmt.Sprintf("%s: it came back from its call, and %s", t, again)
	case k.Back > 0:
		return t + ": it came back from its call"
	}
	return t
}

func was(list []string) string {
	if len(list) == 1 {
		return "was"
	}
	return "were"
}

// someOf are some threads, as "A and B".
func someOf(list []string) Text {
	const most = 4
	var t Text
	for i, n := range list {
		switch {
		case i == most:
			return say("%s and %d more", t, len(list)-most)
		case i == 0:
			t = say("%s", name(n))
		case i == len(list)-1:
			t = say("%s and %s", t, name(n))
		default:
			t = say("%s, %s", t, name(n))
		}
	}
	return t
}

// SignalReport is a call that was to wake who waits, in the result object.
type SignalReport struct {
	Thread  string        `json:"thread"`
	Call    string        `json:"call"`
	Step    uint64        `json:"step"`            // its instruction that put the signal there, or woke
	Back    bool          `json:"back,omitempty"`  // one that waits put a signal back
	All     bool          `json:"all,omitempty"`   // it was to wake all
	Word    string        `json:"word,omitempty"`  // address that the signal was put at
	Place   string        `json:"place,omitempty"` // the member of the object that Word is
	Woke    []WokenReport `json:"woke"`
	Taken   *TakenReport  `json:"taken,omitempty"`   // by whom it was taken, where that is certain
	Dropped *TakenReport  `json:"dropped,omitempty"` // who took it away again untaken
	Asleep  []string      `json:"asleep,omitempty"`  // who waited and was not woken
	Apart   bool          `json:"apart,omitempty"`   // those waited at other words than Word
	Awake   []string      `json:"awake,omitempty"`   // who was in a call that waits and did not wait yet
}

// WokenReport is a thread that a call woke.
type WokenReport struct {
	Thread string `json:"thread"`
	Since  uint64 `json:"since"` // the instruction with which it had begun to wait, 0 for before the race
	Took   uint64 `json:"took,omitempty"`
	Back   uint64 `json:"back,omitempty"`
	Again  uint64 `json:"again,omitempty"`
}

// TakenReport is when a thread took a signal.
type TakenReport struct {
	Thread string `json:"thread"`
	Call   string `json:"call"`
	Step   uint64 `json:"step"`
}

func (s *Signalled) report() SignalReport {
	r := SignalReport{
		Thread: s.Thread, Call: s.Call, Step: s.Step, Back: s.Back, All: s.All, Woke: []WokenReport{},
		Taken: (*TakenReport)(s.Taken), Dropped: (*TakenReport)(s.Dropped), Asleep: s.Asleep, Apart: s.Apart, Awake: s.Awake,
	}
	if s.Word != 0 {
		r.Word, r.Place = words.Hex(s.Word), s.Place
	}
	for _, w := range s.Woke {
		r.Woke = append(r.Woke, WokenReport{w.Thread, w.Since, w.Took, w.Back, w.Again})
	}
	return r
}
