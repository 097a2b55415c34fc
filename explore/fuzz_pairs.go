package explore

import (
	"math/bits"

	"emurace/scenario"
)

// spot is an abstract event: an instruction and the bytes that it accesses,
// whoever runs it and however often. Whether it reads or writes follows from
// where the spot stands.
type spot struct {
	PC   uint64 `json:"pc"`
	Addr uint64 `json:"addr"`
	Size uint64 `json:"size"`
}

func (s spot) overlaps(o spot) bool { return s.Addr < o.Addr+o.Size && o.Addr < s.Addr+s.Size }

// pair is a write and a read that has seen it (reads-from). With the zero Write
// the read has seen what was there when the race began.
type pair struct {
	Write spot `json:"write"`
	Read  spot `json:"read"`
}

// hash is a number for the pair that hardly any other one has. Those of a set of
// pairs are added up, so their bits have to be mixed well.
func (p pair) hash() uint64 {
	h := uint64(0)
	for _, v := range [...]uint64{p.Write.PC, p.Write.Addr, p.Write.Size, p.Read.PC, p.Read.Addr, p.Read.Size} {
		hi, lo := bits.Mul64(h^v^0x9e3779b97f4a7c15, 0xd6e8feb86659fd93)
		h = hi ^ lo + 0x2545f4914f6cdd1d
	}
	return h
}

// maxRunPairs bounds how many pairs of one run are kept; a run that spins up to
// its limit over ever new memory could have millions.
const maxRunPairs = 1 << 16

// reads watches a run: which write every byte holds, and so which pairs the run
// shows.
type reads struct {
	writers  []spot // the first stands for what was there
	numbers  map[spot]int32
	last     map[uint64]*[8]int32 // who wrote the bytes of address/8 last, a number in writers
	pairs    []pair               // each once, in the order of the run
	now      []pair               // those of the last event
	known    map[pair]bool
	combined uint64 // the signature of the set of pairs
}

func newReads() *reads {
	return &reads{writers: make([]spot, 1), numbers: map[spot]int32{}, last: map[uint64]*[8]int32{}, known: map[pair]bool{}}
}

// add takes in the run's next event. What an instruction both reads and writes,
// it has read before.
func (r *reads) add(e *scenario.Event) {
	r.now = r.now[:0]
	for _, a := range e.Accesses {
		if !a.Write {
			read := spot{e.PC, a.Addr, a.Size}
			r.each(read, func(w spot) { r.show(pair{w, read}) })
		}
	}
	for _, a := range e.Accesses {
		if a.Write {
			r.write(spot{e.PC, a.Addr, a.Size})
		}
	}
}

func (r *reads) show(p pair) {
	r.now = append(r.now, p)
	if r.known[p] || len(r.pairs) == maxRunPairs {
		return
	}
	r.known[p] = true
	r.pairs = append(r.pairs, p)
	r.combined += p.hash()
}

func (r *reads) write(w spot) {
	n, ok := r.numbers[w]
	if !ok {
		n = int32(len(r.writers))
		r.writers = append(r.writers, w)
		r.numbers[w] = n
	}
	for at := w.Addr; at < w.Addr+w.Size; at++ {
		word := r.last[at/8]
		if word == nil {
			word = new([8]int32)
			r.last[at/8] = word
		}
		word[at%8] = n
	}
}

// each calls f with every write that bytes hold now, of neighbouring bytes that
// hold the same once.
func (r *reads) each(bytes spot, f func(write spot)) {
	before := int32(-1)
	var word *[8]int32
	for at := bytes.Addr; at < bytes.Addr+bytes.Size; at++ {
		if at == bytes.Addr || at%8 == 0 {
			word = r.last[at/8]
		}
		n := int32(0)
		if word != nil {
			n = word[at%8]
		}
		if n != before {
			f(r.writers[n])
		}
		before = n
	}
}

// sees tells whether the pair's read, done now, would see the pair's write.
func (r *reads) sees(p pair) bool {
	found := false
	r.each(p.Read, func(w spot) { found = found || w == p.Write })
	return found
}
