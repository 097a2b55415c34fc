package cycles

import (
	"fmt"
	"strings"
)

// edge is a relation between an access and the next one.
type edge struct {
	kind     kind
	fence    string  // of fenced: the instruction
	other    bool    // to another location
	from, to byte    // R or W
	marks    [2]byte // P plain, A acquire, Q acquirePC, L release, at both ends
}

type kind uint8

const (
	po kind = iota
	fenced
	addr
	data
	ctrl
	ctrlISB
	rf // and those below: communication
	fr
	co
	rfInside // and below: in one thread
	frInside
	coInside
)

func (e edge) outside() bool { return e.kind >= rf && e.kind <= co }

// named are the relations' names, without what stands behind them: d or s for another or the same
// location, R or W for accesses, marks.
var named = []struct {
	name string
	edge edge
}{
	{"DMB.SY", edge{kind: fenced, fence: "DMB SY"}}, {"DMB.LD", edge{kind: fenced, fence: "DMB LD"}},
	{"DMB.ST", edge{kind: fenced, fence: "DMB ST"}}, {"MFence", edge{kind: fenced, fence: "MFENCE"}},
	{"DpAddr", edge{kind: addr, from: 'R'}}, {"DpData", edge{kind: data, from: 'R'}},
	{"DpCtrlIsb", edge{kind: ctrlISB, from: 'R'}}, {"DpCtrl", edge{kind: ctrl, from: 'R'}}, {"Po", edge{kind: po}},
	{"Rfe", edge{kind: rf, from: 'W', to: 'R'}}, {"Fre", edge{kind: fr, from: 'R', to: 'W'}},
	{"Coe", edge{kind: co, from: 'W', to: 'W'}}, {"Wse", edge{kind: co, from: 'W', to: 'W'}},
	{"Rfi", edge{kind: rfInside, from: 'W', to: 'R'}}, {"Fri", edge{kind: frInside, from: 'R', to: 'W'}},
	{"Coi", edge{kind: coInside, from: 'W', to: 'W'}}, {"Wsi", edge{kind: coInside, from: 'W', to: 'W'}},
}

// parseEdge reads a relation such as Rfe, FrePL, PodWR, DMB.SYsRWAL or DpAddrdR.
func parseEdge(text string) (edge, error) {
	for _, n := range named {
		rest, ok := strings.CutPrefix(text, n.name)
		if !ok {
			continue
		}
		e := n.edge
		e.marks = [2]byte{'P', 'P'}
		take := func(of string) (c byte) {
			if rest != "" && strings.IndexByte(of, rest[0]) >= 0 {
				c, rest = rest[0], rest[1:]
			}
			return c
		}
		if e.kind < rf {
			switch take("ds") {
			case 'd':
				e.other = true
			case 0:
				return e, fmt.Errorf("%q does not say d or s, for another or the same location", text)
			}
			if e.from == 0 {
				e.from = take("RW")
			}
			if e.to = take("RW"); e.to == 0 || e.from == 0 {
				return e, fmt.Errorf("%q does not say which accesses it is between", text)
			}
			if e.kind == data && e.to == 'R' {
				return e, fmt.Errorf("%q: a read takes no data", text)
			}
		}
		if a := take("PAQL"); a != 0 {
			b := take("PAQL")
			e.marks = [2]byte{a, b}
		}
		if rest != "" || !marked(e.from, e.marks[0]) || !marked(e.to, e.marks[1]) {
			return e, fmt.Errorf("%q is no relation that is known here", text)
		}
		return e, nil
	}
	return edge{}, fmt.Errorf("%q is no relation that is known here", text)
}

// marked tells whether an access may have a mark.
func marked(access, mark byte) bool {
	switch mark {
	case 'P':
		return true
	case 'A', 'Q':
		return access == 'R'
	case 'L':
		return access == 'W'
	}
	return false
}

// name is how the relation is called in a test's name.
func (e edge) name() string {
	text := [...]string{po: "po", fenced: strings.ToLower(strings.ReplaceAll(e.fence, " ", ".")), addr: "addr", data: "data",
		ctrl: "ctrl", ctrlISB: "ctrlisb", rf: "rfe", fr: "fre", co: "coe", rfInside: "rfi", frInside: "fri", coInside: "wsi"}[e.kind]
	if e.kind < rf && !e.other {
		text += "s"
	}
	if e.marks != [2]byte{'P', 'P'} {
		text += strings.ToLower(string(e.marks[:]))
	}
	return text
}
