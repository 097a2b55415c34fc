package lesson

import (
	"fmt"
	"slices"

	"emurace/internal/words"
	"emurace/loader"
	"emurace/replay"
)

// waited are the words in memory that threads wait for at the end of a deadlock, as the explanation has
// them, each once.
func (d drawer) waited() []replay.Wait {
	var list []replay.Wait
	for _, w := range d.x.Waits {
		if w.For == "" && !slices.ContainsFunc(list, func(o replay.Wait) bool { return o.Address&^7 == w.Address&^7 }) {
			list = append(list, w)
		}
	}
	return list
}

// waits is what those words hold at the present moment; of a mutex of glibc's also the word behind,
// which has the number of its owner.
func (d drawer) waits() *Picture {
	p := &Picture{Title: "what the threads wait for"}
	for _, w := range d.waited() {
		r := d.row(Row{Addr: w.Address &^ 7, Label: label(w), Focus: true})
		r.Text = d.locked(w, r)
		p.Rows = append(p.Rows, r)
		if w.What == "mutex" && d.glibc() {
			owner := d.row(Row{Addr: w.Address + 8, Label: "its owner"})
			owner.Text = d.owner(owner)
			p.Rows = append(p.Rows, owner)
		}
	}
	return p
}

func (d drawer) glibc() bool { return d.line.Session().Libc().Name == loader.Glibc.String() }

// label says what a word is and who will wait for it.
func label(w replay.Wait) string {
	switch {
	case w.Place != "":
		return w.Place
	case w.What != "":
		return w.What
	}
	return "waited for by " + w.Thread
}

// locked is what the word of a mutex of glibc's means (sysdeps/nptl/lowlevellock.h).
func (d drawer) locked(w replay.Wait, r Row) string {
	if w.What != "mutex" && w.What != "lock" || !d.glibc() || !r.Mapped {
		return ""
	}
	word := uint32(r.Value >> (8 * (w.Address & 7)))
	switch word {
	case 0:
		return "free"
	case 1:
		return "held"
	case 2:
		return "held, and somebody waits"
	}
	return ""
}

// owner names the thread whose number is in a mutex's __owner.
func (d drawer) owner(r Row) string {
	number := int(uint32(r.Value))
	if !r.Mapped || number == 0 {
		return "nobody"
	}
	s := d.line.Session()
	for i, name := range s.Names() {
		if m := s.MachineThread(i); m >= 0 {
			if tid, ok := s.Process().TID(m); ok && int(tid) == number {
				return name
			}
		}
	}
	return fmt.Sprintf("thread %s", words.Grouped(uint64(number)))
}
