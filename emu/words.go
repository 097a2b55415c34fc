package emu

import (
	"slices"

	"emurace/emu/internal/linux"
	"emurace/loader"
)

// finder is a TraceWords.
type finder struct {
	is      func(word uint32) bool
	f       func(t int, word uint32)
	scanned []linux.VMA
	places  map[uint64]bool
}

// TraceWords lets f know of every time that a thread is about to run an instruction
// that is, with the machine standing before it: of arm64's, which are words of four
// bytes. It looks for them where code is mapped, now and after every system call that
// maps some or changes what pages allow. f may look at the machine but neither run nor
// change it. A second call ends the first; stopTracing ends it, too.
func (p *Process) TraceWords(is func(word uint32) bool, f func(t int, word uint32)) error {
	if p.arch.id != loader.ARM64 {
		return nil
	}
	p.finder = &finder{is: is, f: f, places: map[uint64]bool{}}
	return p.findWords()
}

// findWords looks into code that has not been looked into.
func (p *Process) findWords() error {
	d := p.finder
	if d == nil {
		return nil
	}
	for _, v := range p.kernel.State().VMAs {
		if v.Prot&loader.ProtExec == 0 || slices.Contains(d.scanned, v) {
			continue
		}
		d.scanned = append(d.scanned, v)
		code := p.eng.View(v.Start, v.End-v.Start)
		for off := 0; off+4 <= len(code); off += 4 {
			if !d.is(le.Uint32(code[off:])) {
				continue
			}
			if err := p.eng.SetBreak(v.Start + uint64(off)); err != nil {
				return err
			}
			d.places[v.Start+uint64(off)] = true
		}
	}
	return nil
}

// atWord tells of the instruction that a thread stands before, where it is one that
// is looked for, and still there.
func (m *Machine) atWord(t int, pc uint64) {
	if d := m.finder; d != nil && d.places[pc] {
		if b, ok := m.Read(pc, 4); ok && d.is(le.Uint32(b)) {
			d.f(t, le.Uint32(b))
		}
	}
}
