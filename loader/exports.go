package loader

import (
	"debug/elf"
	"strings"
)

// exportTable is what other modules can bind to. It is never changed once it is built. It
// is apart from the symbolTable, which takes longer to build, and most
// processes are asked for what they export only.
type exportTable struct {
	byName  map[string]*Symbol // by "name" and "name@version"
	dynamic bool               // it is all of .dynsym, so that a debug file adds nothing
}

// Symbol finds an exported symbol. A bare name means its default version;
// name@version asks for that one, hidden or not. In an image without a dynamic
// symbol table, such as a static program, the global symbols of .symtab count
// as exported.
func (im *Image) Symbol(name string) (Symbol, bool) {
	s, ok := im.exported().byName[strings.Replace(name, "@@", "@", 1)]
	if !ok {
		return Symbol{}, false
	}
	return *s, true
}

// exported builds the table on first use.
func (im *Image) exported() *exportTable {
	im.mu.Lock()
	defer im.mu.Unlock()
	if im.exports == nil {
		im.exports = im.buildExports()
	}
	return im.exports
}

func (im *Image) buildExports() *exportTable {
	raw := im.dynamicSymbols()
	x := &exportTable{byName: make(map[string]*Symbol, 2*len(raw)), dynamic: len(raw) > 0}
	if !x.dynamic {
		t := im.lockedTable()
		for i := range t.sorted {
			x.add(&t.sorted[i])
		}
		for i := range t.tls {
			x.add(&t.tls[i])
		}
		return x
	}
	for i := range raw {
		s := &raw[i].Symbol
		if _, ok := im.segmentAt(s.Addr); im.isThreadLocal(s) || ok && s.Type != elf.STT_TLS {
			x.add(s)
		}
	}
	return x
}

// add puts the symbol under its names.
func (x *exportTable) add(s *Symbol) {
	if s.Default {
		x.put(s.Name, s)
	}
	if s.Version != "" && (s.Dynamic || s.Default) {
		x.put(s.Name+"@"+s.Version, s)
	}
}

// put has name mean s, unless there is one before it: those with an address come first, by
// it, and then by rank.
func (x *exportTable) put(name string, s *Symbol) {
	if old, taken := x.byName[name]; taken {
		if tls := s.Type == elf.STT_TLS; tls != (old.Type == elf.STT_TLS) {
			if tls {
				return
			}
		} else if compareSymbols(*old, *s) <= 0 {
			return
		}
	}
	x.byName[name] = s
}
