package portable

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"emurace/disasm"
)

// Hint is what to do about it, "" when there is no advice.
func (e *UnmetError) Hint() string {
	if at, ok := e.Run.Until.(At); ok && at.Place.File == "" && (at.Place.Off != 0 || at.Place.Symbol.Name == "") {
		return `instructions are at other places in each build of a library; conditions such as reads("environ") and returns("setenv") mean the same on all, and emurace replay --as-script finds them for a trace`
	}
	return ""
}

// miss says why a thread can never have come to a place, "" when it could have: where
// no instruction begins, it does not stop.
func (p *Player) miss(at Place) string {
	const largest = 1 << 20 // of functions
	if at.Off == 0 || at.Off > largest {
		return ""
	}
	f, err := p.names.function(at.Symbol)
	if err != nil {
		return ""
	}
	var said []string
	for _, entry := range f.exact {
		why, err := p.missIn(at, entry)
		if why == "" || err != nil {
			return "" // in this copy it begins one, or nobody can tell
		}
		said = append(said, why)
	}
	return strings.Join(slices.Compact(said), "; ")
}

// missIn is miss for the function that begins at entry.
func (p *Player) missIn(at Place, entry uint64) (string, error) {
	m := p.s.Process()
	if _, off, ok := m.Symbol(entry + at.Off); !ok || off != at.Off {
		return fmt.Sprintf("%v is behind the end of %v", at, at.Symbol), nil
	}
	for pc := entry; ; {
		code, ok := m.Read(pc, min(15, entry+at.Off+15-pc))
		if !ok {
			return "", errors.New("not mapped")
		}
		in, err := disasm.Decode(m.Arch(), code, pc, nil)
		if err != nil || in.Undecoded || in.Len <= 0 {
			return "", errors.New("not known")
		}
		next := pc + uint64(in.Len)
		if next == entry+at.Off {
			return "", nil
		}
		if next > entry+at.Off {
			return fmt.Sprintf("no instruction begins at %v here, the nearest are at +%#x and +%#x", at, pc-entry, next-entry), nil
		}
		pc = next
	}
}
