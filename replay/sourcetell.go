package replay

import (
	"fmt"

	"emurace/internal/words"
	"emurace/symbolize"
)

// tell says who has written bytes last, and how.
func (s *Sources) tell() []Text {
	var list []Text
	for i := range s.Writers {
		list = append(list, s.writer(&s.Writers[i])...)
	}
	if s.More > 0 {
		list = append(list, say("%s before that had written other parts of it.", words.Count(uint64(s.More), "instruction")))
	}
	switch {
	case s.size == 0 || s.Unknown == s.size:
		list = append(list, say("Who has written there last is not known."))
	case s.Older == s.size && s.given:
		list = append(list, say("That is what was there before the race: it has not seen what was written there since."))
	case s.Older == s.size:
		list = append(list, say("Nothing has written there since the race began: the value is older."))
	case s.Older > 0:
		list = append(list, say("%s older than the race.", others(s.Older, s.size)))
	}
	if s.Unknown > 0 && s.Unknown < s.size {
		list = append(list, say("Who has written %s of it last is not known.", words.Count(uint64(s.Unknown), "byte")))
	}
	return list
}

// writer says that of one of them.
func (s *Sources) writer(w *Wrote) []Text {
	last := " last"
	if s.given {
		last = ""
	}
	what := say("%s there"+last, number(w.value()))
	if len(w.Data) < s.size {
		what = say("a part of it there"+last+", %s at %s", number(w.value()), number(addressOf(w.Addr, w.Place)))
	}
	switch w.How {
	case HowSignal:
		return append([]Text{say("the kernel had written %s, as a signal came for %s in its call of %s:", what, name(w.Thread), w.Call)}, w.lines()...)
	case HowPlaced:
		return []Text{say("the scenario had put %s, for a call of %s: %s", what, name(w.Thread), w.Call)}
	case HowStored, HowKernel, HowZeroed, HowMapped: // the thread
	}
	return append([]Text{say("%s had written %s, in its call of %s%s:", name(w.Thread), what, w.Call, w.way())}, w.lines()...)
}

// lines are the instruction, and how the thread had come there if that is more.
func (w *Wrote) lines() []Text {
	list := lines(&w.Act)
	if len(w.Backtrace) < 2 {
		list = list[:1]
	}
	return list
}

// way is what is to be added where it is no store.
func (w *Wrote) way() string {
	switch w.How {
	case HowKernel:
		return ", by a system call"
	case HowZeroed:
		return ", by a system call that empties the page"
	case HowMapped:
		return ", by a system call that maps the page, which begins empty"
	case HowStored, HowSignal, HowPlaced: // see writer
	}
	return ""
}

func (w *Wrote) value() string {
	if len(w.Data) <= 8 {
		return words.Hex(number64(w.Data))
	}
	return valueText(w.Data)
}

// who is who has written.
func (w *Wrote) who() string {
	switch w.How {
	case HowSignal:
		return "the kernel"
	case HowPlaced:
		return "the scenario"
	case HowStored, HowKernel, HowZeroed, HowMapped: // the thread
	}
	return w.Thread
}

// title is that of the moment.
func (w *Wrote) title() string {
	switch w.How {
	case HowZeroed:
		return w.Thread + " has a page emptied"
	case HowMapped:
		return w.Thread + " maps an empty page"
	case HowStored, HowKernel, HowSignal, HowPlaced: // what is written
	}
	return fmt.Sprintf("%s writes %s", w.who(), w.value())
}

// long says what happens at that moment, without a full stop.
func (w *Wrote) long() string {
	at := addressOf(w.Addr, w.Place)
	switch w.How {
	case HowKernel:
		return fmt.Sprintf("%s calls the kernel in %s, in its call of %s: it writes %s at %s", words.Capital(w.Thread), place(&w.Act), w.Call, w.value(), at)
	case HowZeroed:
		return fmt.Sprintf("%s calls the kernel in %s, in its call of %s: it takes away what the page of %s holds, and zeros are there", words.Capital(w.Thread), place(&w.Act), w.Call, at)
	case HowMapped:
		return fmt.Sprintf("%s calls the kernel in %s, in its call of %s: it maps the page of %s, which begins with nothing but zeros", words.Capital(w.Thread), place(&w.Act), w.Call, at)
	case HowSignal:
		return fmt.Sprintf("A signal comes for %s, in its call of %s: the kernel writes %s at %s", w.Thread, w.Call, w.value(), at)
	case HowPlaced:
		return fmt.Sprintf("The scenario puts %s at %s, for a call of %s: %s", w.value(), at, w.Thread, w.Call)
	case HowStored:
	}
	return fmt.Sprintf("%s runs %s and stores %s at %s", words.Capital(w.Thread), place(&w.Act), w.value(), at)
}

// WroteReport is an instruction with what it wrote.
type WroteReport struct {
	*symbolize.Report
	How     How    `json:"how"`
	Address string `json:"address"`         // of the bytes that are still as it wrote them
	Place   string `json:"place,omitempty"` // static data that Address is in
	Value   string `json:"value"`
	Size    int    `json:"size"`
}

func (s *Sources) report() []WroteReport {
	list := []WroteReport{}
	for i := range s.Writers {
		w := &s.Writers[i]
		list = append(list, WroteReport{w.Act.Report(), w.How, words.Hex(w.Addr), w.Place, w.value(), len(w.Data)})
	}
	return list
}

// by says in which way something was written, before the name of whose doing it was.
func (h How) by() string {
	switch h {
	case HowKernel:
		return "written by a system call of"
	case HowZeroed, HowMapped:
		return "empty since a system call of"
	case HowSignal:
		return "written by the kernel, as a signal came for"
	case HowPlaced:
		return "put there by the scenario for"
	case HowStored:
	}
	return "written by"
}

// stores says what the kernel did, or the scenario.
func (h How) stores(value, addr string) string {
	switch h {
	case HowZeroed:
		return fmt.Sprintf("a system call empties the page of %s", addr)
	case HowMapped:
		return fmt.Sprintf("a system call maps the page of %s, which is empty", addr)
	case HowSignal:
		return fmt.Sprintf("the kernel stores %s at %s, as a signal comes", value, addr)
	case HowPlaced:
		return fmt.Sprintf("the scenario puts %s at %s", value, addr)
	case HowStored, HowKernel:
	}
	return fmt.Sprintf("a system call stores %s at %s", value, addr)
}

// others names some of the bytes that have not been told of.
func others(n, size int) string {
	switch {
	case n == 1 && size == 2:
		return "The other byte is"
	case n == 1:
		return "One byte of it is"
	}
	return fmt.Sprintf("The other %d bytes are", n)
}
