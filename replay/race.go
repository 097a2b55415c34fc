package replay

import (
	"sort"

	"emurace/emu"
	"emurace/loader"
	"emurace/symbolize"
)

// Touch is an instruction and what it did to memory.
type Touch struct {
	symbolize.Act
	Accesses []emu.LogEntry
	Places   []string // the static data that each access is in; "" for none
	Part     string   // ", its read" or ", its write" where that is one of two steps; else ""
}

// halves are how the steps of an instruction that ends in its middle are called: of one that
// reads memory and then writes to it, and of a load or store of a pair of registers.
func halves(arch loader.Arch) (first, second string) {
	if arch == loader.ARM64 {
		return "first register", "second register"
	}
	return "read", "write"
}

// half is that of one step, as Touch.Part has it.
func (h *History) half(rest bool) string {
	first, second := halves(h.s.Process().Arch())
	if rest {
		first = second
	}
	return ", its " + first
}

// part is which part of an instruction a step is.
func (h *History) part(step uint64) string {
	i := sort.Search(len(h.events), func(i int) bool { return h.events[i].Step >= step })
	if i == len(h.events) || h.events[i].Step != step {
		return ""
	}
	return h.events[i].Part
}

// Race is two instructions of different threads whose order decides how the run
// comes out: in this run First came first.
type Race struct{ First, Second Touch }

// Point names an instruction of a run: the number Step, counted from the race's
// start from 1, run by a racing thread. Of the clock, Step is how many had run when it was
// moved on.
type Point struct {
	Thread int
	Step   uint64
}

// Races describes pairs of instructions by going to the moment before each. The
// session is left at the end of the run.
func (h *History) Races(pairs [][2]Point) ([]Race, error) {
	var list []Race
	for _, p := range pairs {
		var r Race
		for i, to := range []*Touch{&r.First, &r.Second} {
			if h.s.IsClock(p[i].Thread) {
				if err := h.SeekTo(p[i].Step); err != nil {
					return nil, err
				}
				*to = h.touchOfClock()
				continue
			}
			if err := h.SeekTo(p[i].Step - 1); err != nil {
				return nil, err
			}
			pc, err := h.s.Process().PC(h.s.MachineThread(p[i].Thread))
			if err != nil {
				return nil, err
			}
			step := p[i].Step + h.s.Base()
			*to = Touch{Act: *h.act(p[i].Thread, pc, step), Accesses: h.Accesses(step), Part: h.part(step)}
			for _, a := range to.Accesses {
				to.Places = append(to.Places, h.place(a.Addr))
			}
		}
		list = append(list, r)
	}
	return list, h.SeekEnd()
}

// AccessReport is one access of a race in the result object.
type AccessReport struct {
	symbolize.Report
	Accesses []MemoryReport `json:"accesses"`
}

// MemoryReport is bytes that an instruction read or wrote.
type MemoryReport struct {
	Kind    string `json:"kind"` // read or write
	Address string `json:"address"`
	Place   string `json:"place,omitempty"` // static data that Address is in
	Size    uint8  `json:"size"`
	Value   string `json:"value"`
	Before  string `json:"before,omitempty"` // of a write
}

func (t *Touch) report() AccessReport {
	r := AccessReport{Report: *t.Act.Report(), Accesses: memoryReports(t.Accesses, t.place)}
	if r.Accesses == nil {
		r.Accesses = []MemoryReport{}
	}
	return r
}

// place is the static data that an address of one of the accesses is in.
func (t *Touch) place(addr uint64) string {
	for i, a := range t.Accesses {
		if a.Addr == addr && i < len(t.Places) {
			return t.Places[i]
		}
	}
	return ""
}
