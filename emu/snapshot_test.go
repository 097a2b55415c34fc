package emu

import (
	"bytes"
	"fmt"
	"maps"
	"reflect"
	"slices"

	"emurace/emu/internal/linux"
	"emurace/emu/internal/shim"
	"emurace/loader"
)

// snapshot is all of a machine, copied by means of its own, to be compared with
// what a rewind makes: every register, page and kernel structure.
type snapshot struct {
	steps   uint64
	threads []Thread
	end     *End
	data    uint64
	regs    map[int][]Register
	pages   map[uint64][]byte      // by address; pages of zeros are left out
	prot    map[uint64][]shim.Prot // of the pages of each mapping, by its start
	kernel  linux.State
	logged  []LogEntry
}

func (p *process) snapshot() *snapshot {
	p.t.Helper()
	s := &snapshot{
		steps: p.Steps(), threads: p.Threads(), end: p.End(), data: p.st.data,
		regs: map[int][]Register{}, pages: map[uint64][]byte{}, prot: map[uint64][]shim.Prot{},
		kernel: copyOf(p.kernel.State()), logged: slices.Clone(p.Log().List()),
	}
	for n := range s.threads {
		regs, err := p.Registers(n)
		if err != nil {
			p.t.Fatal(err)
		}
		s.regs[n] = regs
	}
	for _, v := range s.kernel.VMAs {
		p.copyPages(s, v)
	}
	return s
}

func (p *process) copyPages(s *snapshot, v linux.VMA) {
	used := p.eng.Used(v.Start, v.End-v.Start)
	prot := make([]shim.Prot, 0, len(used))
	defer func() { s.prot[v.Start] = prot }()
	for a := v.Start; a < v.End; a += loader.PageSize {
		prot = append(prot, p.eng.Page(a))
		if used[(a-v.Start)/loader.PageSize] != shim.Touched {
			continue // all zeros, as checkPageTable makes sure of
		}
		if page := p.eng.View(a, loader.PageSize); !bytes.Equal(page, zeroPage[:]) {
			s.pages[a] = bytes.Clone(page)
		}
	}
}

// copyOf shares nothing with the state that it copies.
func copyOf(s *linux.State) linux.State {
	c := *s
	c.VMAs, c.Tasks, c.FDs, c.Waiters = slices.Clone(s.VMAs), slices.Clone(s.Tasks), slices.Clone(s.FDs), slices.Clone(s.Waiters)
	c.Handlers = maps.Clone(s.Handlers)
	return c // what was printed is never changed, only added to
}

// differences lists what a machine has that the snapshot has not, nothing when
// they are equal.
func (s *snapshot) differences(now *snapshot) []string {
	var d []string
	add := func(format string, args ...any) { d = append(d, fmt.Sprintf(format, args...)) }
	if s.steps != now.steps || s.end != now.end || s.data != now.data {
		add("steps %d, end %v, data %#x; want %d, %v, %#x", now.steps, now.end, now.data, s.steps, s.end, s.data)
	}
	if !slices.Equal(s.threads, now.threads) {
		add("threads %+v, want %+v", now.threads, s.threads)
	}
	if !slices.Equal(s.logged, now.logged) {
		add("%d log entries, want %d", len(now.logged), len(s.logged))
	}
	for n, regs := range s.regs {
		for i, r := range regs {
			if i >= len(now.regs[n]) || !bytes.Equal(now.regs[n][i].Value, r.Value) {
				add("thread %d: %s is not %x", n, r.Name, r.Value)
			}
		}
	}
	kernel, nowKernel := reflect.ValueOf(s.kernel), reflect.ValueOf(now.kernel)
	if a, b := s.kernel.Output(), now.kernel.Output(); !reflect.DeepEqual(a, b) {
		add("kernel: output is %+v, want %+v", b, a)
	}
	for i := range kernel.NumField() {
		if !kernel.Type().Field(i).IsExported() {
			continue
		}
		a, b := kernel.Field(i), nowKernel.Field(i)
		empty := (a.Kind() == reflect.Slice || a.Kind() == reflect.Map) && a.Len() == 0 && b.Len() == 0
		if !empty && !reflect.DeepEqual(a.Interface(), b.Interface()) {
			add("kernel: %s is %+v, want %+v", kernel.Type().Field(i).Name, b, a)
		}
	}
	if !maps.EqualFunc(s.prot, now.prot, slices.Equal) {
		add("pages have other permissions")
	}
	for _, pair := range []struct{ a, b map[uint64][]byte }{{s.pages, now.pages}, {now.pages, s.pages}} {
		for a, page := range pair.a {
			if !bytes.Equal(page, pair.b[a]) {
				add("page %#x has other bytes", a)
				break
			}
		}
	}
	return d
}

// checkPageTable compares the engine's page table with the kernel's list of
// mappings, which is ascending and free of overlaps and of neighbours that
// should be one; between the mappings there are no pages.
func (p *process) checkPageTable() {
	p.t.Helper()
	vmas := p.kernel.State().VMAs
	for i, v := range vmas {
		if v.Start >= v.End || v.Start%loader.PageSize != 0 || v.End%loader.PageSize != 0 || i > 0 && vmas[i-1].End > v.Start {
			p.t.Errorf("mapping %+v is out of order", v)
		}
		used := p.eng.Used(v.Start, v.End-v.Start)
		for a := v.Start; a < v.End; a += loader.PageSize {
			if used[(a-v.Start)/loader.PageSize] != shim.Touched && !bytes.Equal(p.eng.View(a, loader.PageSize), zeroPage[:]) {
				p.t.Fatalf("page %#x holds something, though it was not touched", a)
			}
			if want := shim.Prot(v.Prot) | shim.Mapped; p.eng.Page(a) != want {
				p.t.Fatalf("page %#x: permissions %d, the mapping says %d", a, p.eng.Page(a), want)
			}
		}
		for _, a := range []uint64{v.Start - loader.PageSize, v.End} {
			if _, ok := p.kernel.State().VMA(a); !ok && p.eng.Page(a) != 0 {
				p.t.Fatalf("page %#x: permissions %d, but no mapping", a, p.eng.Page(a))
			}
		}
	}
}
