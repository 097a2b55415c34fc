package flow

import (
	"fmt"
	"slices"
)

// Origin tells where the value came from that a register has before the instruction that the
// frame runs next, or, in an outer frame, as the call will leave it.
func (fl *Flow) Origin(f Frame, register string) Origin { return fl.origin([]Frame{f}, 0, register) }

func (fl *Flow) origin(stack []Frame, i int, register string) Origin {
	f := stack[i]
	r := fl.abi.register(register)
	if r < 0 {
		return Origin{How: register + " is no general register"}
	}
	p, why := fl.at(&f)
	if p == nil {
		return Origin{How: why}
	}
	p.within(stack, i, maxOutward)
	now, known := f.Register(register)
	o := p.from(register, p.st.regs[r], now, known)
	if f.Doubtful {
		o.Certain = false
	}
	return o
}

// from tells where a value of a point came from, which is known as now, and is called register.
func (p *point) from(register string, v value, now uint64, known bool) Origin {
	var list []Origin
	for _, s := range p.fn.sourcesOf(v) {
		if o, possible := p.origin(register, s, now, known); possible {
			list = append(list, o)
		}
	}
	// The value of a symbol plus a constant comes from where the symbol's does.
	if v.off != 0 && v.ext == whole && v.sym != 0 && p.fn.symbols[v.sym].kind != initial {
		list = nil
		for _, s := range p.fn.sources[v.sym] {
			if o, possible := p.origin(register, s, now-uint64(v.off), known); possible {
				if o.Kind == Constant {
					o.Value += uint64(v.off)
				} else if v.off > maxPlus || v.off < -maxPlus {
					o = Origin{Kind: Computed, At: o.At, How: register + " was computed"}
				} else {
					o.Plus += v.off
					o.How += plus(v.off)
				}
				list = append(list, o)
			}
		}
	}
	o := choose(register, list, now)
	if v.doubt {
		o.Certain = false
	}
	return o
}

// maxPlus bounds what is shown as added to a value: more than that is a difference of addresses, and
// the value itself is as much a term of the sum as the constant.
const maxPlus = 1 << 20

// plus writes what is added.
func plus(n int64) string {
	switch {
	case n > 0:
		return fmt.Sprintf(", plus %#x", n)
	case n < 0:
		return fmt.Sprintf(", less %#x", -n)
	}
	return ""
}

// origin is what one source comes to now; possible is false when the value is another one.
func (p *point) origin(register string, s source, now uint64, known bool) (o Origin, possible bool) {
	o = Origin{Kind: s.kind, Certain: !s.val.doubt, At: s.at.list()}
	switch s.kind {
	case Constant:
		o.Value, _ = s.val.constant()
		o.At = nil
		o.How = fmt.Sprintf("%s is %#x in the code", register, o.Value)
		return o, !known || now == o.Value
	case Argument:
		reg := p.fn.symbols[s.val.sym].at.register
		o.Argument, o.Plus, o.At = p.abi.argument(reg), s.val.off, nil
		if s.val.ext != whole {
			return Origin{Kind: Unknown, How: register + " has the low half of what the caller had in " + p.abi.names[reg]}, true
		}
		if o.Argument < 0 {
			return Origin{Kind: Unknown, How: register + " is what the caller had in " + p.abi.names[reg] + plus(o.Plus)}, true
		}
		o.How = fmt.Sprintf("%s is argument %d of %s%s", register, o.Argument, p.fn.name, plus(o.Plus))
	case Returned:
		o.How = register + " is what a call returned"
		if to := p.through(s.target); s.target != 0 && to != 0 {
			if name, off, ok := p.space.Symbol(to); ok && off == 0 {
				o.Function, o.How = name, register+" is what "+name+" returned"
			}
		}
	case Loaded:
		o.Size, o.Signed = s.size, s.signed
		addr, ok := p.concrete(s.val, maxDepth)
		if s.lost || !ok {
			return Origin{Kind: Unknown, At: o.At, How: fmt.Sprintf("%s was loaded from an address that is no longer known", register)}, true
		}
		o.Addr, o.Certain = addr.n, !addr.doubt
		if n, readable := p.read(o.Addr, s.size, s.signed); readable && known {
			o.Holds = n == now
		}
		o.How = register + " was loaded from " + p.base(&o, s.val)
	default:
		return Origin{Kind: Computed, At: o.At, How: register + " was computed"}, true
	}
	return o, true
}

// base names an address by a register that has it, or else by its symbol.
func (p *point) base(o *Origin, addr value) string {
	for r := range p.abi.n {
		if held := p.st.regs[r]; addr.sym != 0 && held.sym == addr.sym && held.ext == whole {
			if n, ok := p.frame.Register(p.abi.names[r]); ok && n+uint64(addr.off-held.off) == o.Addr {
				o.Base, o.Disp = p.abi.names[r], addr.off-held.off
				if o.Disp == 0 {
					return "[" + o.Base + "]"
				}
				return fmt.Sprintf("[%s%+#x]", o.Base, o.Disp)
			}
		}
	}
	return placeName(p.space, o.Addr)
}

// choose is the one origin that all ways agree on, or that the memory speaks for.
func choose(register string, list []Origin, now uint64) Origin {
	var merged []Origin
	for _, o := range list {
		i := slices.IndexFunc(merged, func(m Origin) bool {
			return o.Kind != Unknown && o.Kind != Computed && m.Kind == o.Kind && m.Addr == o.Addr && m.Size == o.Size && m.Signed == o.Signed &&
				m.Value == o.Value && m.Argument == o.Argument && m.Function == o.Function && m.Plus == o.Plus && (o.Kind != Returned || o.Function != "")
		})
		if i >= 0 {
			merged[i].At = append(merged[i].At, o.At...)
			merged[i].Certain = merged[i].Certain && o.Certain
			continue
		}
		merged = append(merged, o)
	}
	if len(merged) == 1 {
		o := merged[0]
		o.Certain = o.Certain && o.Kind != Unknown
		// An address that is itself in doubt needs the memory's word.
		if o.Kind == Loaded && !o.Certain && !o.Holds {
			return Origin{Kind: Unknown, At: o.At, How: register + " was loaded from memory, at an address that may have changed"}
		}
		return o
	}
	var likely []Origin
	for _, o := range merged {
		// Much of memory holds zeros and small numbers.
		if o.Kind == Loaded && o.Holds && o.Size >= 4 && now != 0 || o.Kind == Constant {
			likely = append(likely, o)
		}
	}
	if len(likely) == 1 {
		o := likely[0]
		o.Certain = false
		return o
	}
	return Origin{Kind: Unknown, How: register + " has come there in more ways than one"}
}
