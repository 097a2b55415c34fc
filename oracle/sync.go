package oracle

import (
	"strings"

	"emurace/disasm"
	"emurace/loader"
)

// ordering is what an instruction means for the order of memory.
type ordering struct {
	atomic   bool
	rmw      bool // reads and writes in one; a store exclusive is one with its load
	compares bool // may leave memory as it was: then it has stored nothing
	acquire  bool
	release  bool
	plainRMW bool // reads and writes in one, but not atomically
	kernel   bool // a system call: what is read there are futex words
	linker   bool // code of the dynamic linker
}

// orderingOf classifies an instruction.
func orderingOf(arch loader.Arch, in disasm.Inst) ordering {
	if arch == loader.AMD64 {
		return orderingAMD64(in)
	}
	return orderingARM64(in)
}

// orderingAMD64: an instruction with a lock prefix, and xchg with memory even
// without one, is atomic and a full barrier (Intel SDM volume 3, 9.1.2 and 9.2).
func orderingAMD64(in disasm.Inst) ordering {
	if in.Op == "syscall" {
		return ordering{kernel: true}
	}
	reads, writes := false, false
	for _, m := range in.Mem {
		reads = reads || m.Read
		writes = writes || m.Write
	}
	locked := in.Op == "xchg"
	for word := range strings.FieldsSeq(in.Text) {
		if word == in.Op {
			break
		}
		locked = locked || word == "lock"
	}
	switch {
	case locked && len(in.Mem) > 0:
		compares := strings.HasPrefix(in.Op, "cmpxchg")
		return ordering{atomic: true, rmw: true, compares: compares, acquire: true, release: true}
	case reads && writes && len(in.Mem) == 1:
		return ordering{plainRMW: true}
	}
	return ordering{}
}

// atomicARM64 are the atomic instructions by the beginnings of their names,
// with what follows before size letters: the A and L that order them (Arm ARM,
// C6.2). Their order matters: a longer name comes before one that it begins with.
var atomicARM64 = []struct {
	prefix   string
	ordering ordering
}{
	{"ldaxr", ordering{atomic: true, acquire: true}},
	{"ldaxp", ordering{atomic: true, acquire: true}},
	{"ldapr", ordering{atomic: true, acquire: true}},
	{"ldapur", ordering{atomic: true, acquire: true}},
	{"ldlar", ordering{atomic: true, acquire: true}},
	{"ldar", ordering{atomic: true, acquire: true}},
	{"ldxr", ordering{atomic: true}},
	{"ldxp", ordering{atomic: true}},
	{"stlxr", ordering{atomic: true, rmw: true, compares: true, release: true}},
	{"stlxp", ordering{atomic: true, rmw: true, compares: true, release: true}},
	{"stllr", ordering{atomic: true, release: true}},
	{"stlur", ordering{atomic: true, release: true}},
	{"stlr", ordering{atomic: true, release: true}},
	{"stxr", ordering{atomic: true, rmw: true, compares: true}},
	{"stxp", ordering{atomic: true, rmw: true, compares: true}},
}

// largeARM64 are the names of the Large System Extensions without what orders
// them.
var largeARM64 = []string{
	"casp", "cas", "swp",
	"ldadd", "ldclr", "ldeor", "ldset", "ldsmax", "ldsmin", "ldumax", "ldumin",
	"stadd", "stclr", "steor", "stset", "stsmax", "stsmin", "stumax", "stumin",
}

func orderingARM64(in disasm.Inst) ordering {
	if in.Op == "svc" {
		return ordering{kernel: true}
	}
	for _, a := range atomicARM64 {
		if strings.HasPrefix(in.Op, a.prefix) {
			return a.ordering
		}
	}
	for _, name := range largeARM64 {
		rest, ok := strings.CutPrefix(in.Op, name)
		if !ok {
			continue
		}
		switch strings.TrimRight(rest, "bh") {
		case "":
			return ordering{atomic: true, rmw: true, compares: name[0] == 'c'}
		case "a":
			return ordering{atomic: true, rmw: true, compares: name[0] == 'c', acquire: true}
		case "l":
			return ordering{atomic: true, rmw: true, compares: name[0] == 'c', release: true}
		case "al":
			return ordering{atomic: true, rmw: true, compares: name[0] == 'c', acquire: true, release: true}
		}
	}
	return ordering{}
}

// clock is a vector clock: of each thread of the machine the last of its moments
// that is known to come before.
type clock []uint32

// join makes the clock know what the other one does.
func (c clock) join(o clock) {
	for i, v := range o {
		c[i] = max(c[i], v)
	}
}
