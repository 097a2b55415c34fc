package graph

import "testing"

// tableRow is a litmus test whose numbers of graphs are known.
type tableRow struct {
	name string
	ops  [][]op
	deps []dep
	want [3]int
}

func tableRows() []tableRow {
	x1, y1 := wr("x", 1), wr("y", 1)
	x, y := rd("x"), rd("y")
	dmb := fence("dmb.sy")
	return []tableRow{
		{"SB", [][]op{{x1, y}, {y1, x}}, nil, [3]int{3, 4, 4}},
		{"SB+dmb.sys", [][]op{{x1, dmb, y}, {y1, dmb, x}}, nil, [3]int{3, 3, 3}},
		{"SB+dmb.sy+po", [][]op{{x1, dmb, y}, {y1, x}}, nil, [3]int{3, 4, 4}},
		{"SB+rel-acqs", [][]op{{wr("x", 1, "L"), rd("y", "A")}, {wr("y", 1, "L"), rd("x", "A")}}, nil, [3]int{3, 3, 3}},
		{"SB+rel-acqpcs", [][]op{{wr("x", 1, "L"), rd("y", "Q")}, {wr("y", 1, "L"), rd("x", "Q")}}, nil, [3]int{3, 4, 4}},
		{"MP", [][]op{{x1, y1}, {y, x}}, nil, [3]int{3, 3, 4}},
		{"MP+dmb.sy+po", [][]op{{x1, dmb, y1}, {y, x}}, nil, [3]int{3, 3, 4}},
		{"MP+po+addr", [][]op{{x1, y1}, {y, x}}, []dep{{1, 0, 1, "addr"}}, [3]int{3, 3, 4}},
		{"MP+rel+po", [][]op{{x1, wr("y", 1, "L")}, {y, x}}, nil, [3]int{3, 3, 4}},
		{"MP+dmb.sys", [][]op{{x1, dmb, y1}, {y, dmb, x}}, nil, [3]int{3, 3, 3}},
		{"MP+dmb.st+dmb.ld", [][]op{{x1, fence("dmb.st"), y1}, {y, fence("dmb.ld"), x}}, nil, [3]int{3, 3, 3}},
		{"MP+dmb.sy+addr", [][]op{{x1, dmb, y1}, {y, x}}, []dep{{1, 0, 1, "addr"}}, [3]int{3, 3, 3}},
		{"MP+dmb.sy+ctrl", [][]op{{x1, dmb, y1}, {y, x}}, []dep{{1, 0, 1, "ctrl"}}, [3]int{3, 3, 4}},
		{"MP+dmb.sy+ctrlisb", [][]op{{x1, dmb, y1}, {y, fence("isb"), x}}, []dep{{1, 0, 1, "ctrl"}}, [3]int{3, 3, 3}},
		{"MP+rel+acq", [][]op{{x1, wr("y", 1, "L")}, {rd("y", "A"), x}}, nil, [3]int{3, 3, 3}},
		{"MP+dmb.sy+ctrl-rfi-addr", [][]op{{x1, dmb, y1}, {y, wr("z", 1), rd("z"), x}}, []dep{{1, 0, 1, "ctrl"}, {1, 2, 3, "addr"}}, [3]int{3, 3, 4}},
		{"MP+dmb.sy+addr-rfi-addr", [][]op{{x1, dmb, y1}, {y, wr("z", 1), rd("z"), x}}, []dep{{1, 0, 1, "addr"}, {1, 2, 3, "addr"}}, [3]int{3, 3, 3}},
		{"LB", [][]op{{x, y1}, {y, x1}}, nil, [3]int{3, 3, 3}},
		{"S", [][]op{{wr("x", 2), y1}, {y, x1}}, nil, [3]int{3, 3, 4}},
		{"S+dmb.sy+data", [][]op{{wr("x", 2), dmb, y1}, {y, x1}}, []dep{{1, 0, 1, "data"}}, [3]int{3, 3, 3}},
		{"R", [][]op{{x1, y1}, {wr("y", 2), x}}, nil, [3]int{3, 4, 4}},
		{"R+dmb.sys", [][]op{{x1, dmb, y1}, {wr("y", 2), dmb, x}}, nil, [3]int{3, 3, 3}},
		{"R+po+dmb.sy", [][]op{{x1, y1}, {wr("y", 2), dmb, x}}, nil, [3]int{3, 3, 4}},
		{"2+2W", [][]op{{wr("x", 2), y1}, {wr("y", 2), x1}}, nil, [3]int{3, 3, 4}},
		{"2+2W+dmb.sts", [][]op{{wr("x", 2), fence("dmb.st"), y1}, {wr("y", 2), fence("dmb.st"), x1}}, nil, [3]int{3, 3, 3}},
		{"IRIW", [][]op{{x1}, {x, y}, {y1}, {y, x}}, nil, [3]int{15, 15, 16}},
		{"IRIW+addrs", [][]op{{x1}, {x, y}, {y1}, {y, x}}, []dep{{1, 0, 1, "addr"}, {3, 0, 1, "addr"}}, [3]int{15, 15, 15}},
		{"WRC", [][]op{{x1}, {x, y1}, {y, x}}, nil, [3]int{7, 7, 8}},
		{"WRC+addrs", [][]op{{x1}, {x, y1}, {y, x}}, []dep{{1, 0, 1, "addr"}, {2, 0, 1, "addr"}}, [3]int{7, 7, 7}},
		{"ISA2", [][]op{{x1, y1}, {y, wr("z", 1)}, {rd("z"), x}}, nil, [3]int{7, 7, 8}},
		{"Z6.3", [][]op{{x1, y1}, {wr("y", 2), wr("z", 1)}, {rd("z"), x}}, nil, [3]int{7, 7, 8}},
		{"RWC", [][]op{{x1}, {x, y}, {y1, x}}, nil, [3]int{7, 8, 8}},
		{"3.SB", [][]op{{x1, y}, {y1, rd("z")}, {wr("z", 1), x}}, nil, [3]int{7, 8, 8}},
		{"CoRR", [][]op{{x1}, {x, x}}, nil, [3]int{3, 3, 3}},
		{"CoWW", [][]op{{x1, wr("x", 2)}}, nil, [3]int{1, 1, 1}},
		{"CoRW1", [][]op{{x, x1}}, nil, [3]int{1, 1, 1}},
		{"CoRW2", [][]op{{x1}, {x, wr("x", 2)}}, nil, [3]int{3, 3, 3}},
		{"CoWR", [][]op{{x1, x}, {wr("x", 2)}}, nil, [3]int{3, 3, 3}},
		{"SB+xchgs", [][]op{{rmw(rd("x"), x1), y}, {rmw(rd("y"), y1), x}}, nil, [3]int{3, 3, 4}},
		{"SB+ldadda+dmb.sy", [][]op{{rmw(rd("x", "A"), x1), y}, {y1, dmb, x}}, nil, [3]int{3, 3, 4}},
		{"SB+ldaddal+dmb.sy", [][]op{{rmw(rd("x", "A"), wr("x", 1, "L")), y}, {y1, dmb, x}}, nil, [3]int{3, 3, 3}},
		{"W2 R2", [][]op{{wr("xy", 1)}, {rd("xy")}}, nil, [3]int{2, 2, 2}},
		{"W8 R4 R4", [][]op{{wr("xy", 1)}, {x, y}}, nil, [3]int{3, 3, 4}},
		{"W4 W4 R8", [][]op{{x1}, {y1}, {rd("xy")}}, nil, [3]int{4, 4, 4}},
		{"two atomic increments each", [][]op{{rmw(x, x1), rmw(x, x1)}, {rmw(x, x1), rmw(x, x1)}}, nil, [3]int{6, 6, 6}},
		{"three threads, two atomic increments each", [][]op{{rmw(x, x1), rmw(x, x1)}, {rmw(x, x1), rmw(x, x1)}, {rmw(x, x1), rmw(x, x1)}}, nil, [3]int{90, 90, 90}},
		{"three load, store", [][]op{{x, x1}, {x, x1}, {x, x1}}, nil, [3]int{36, 36, 36}},
		{"three writes to one byte", [][]op{{x1}, {x1}, {x1}}, nil, [3]int{6, 6, 6}},
	}
}

// TestTable: litmus tests whose numbers of graphs are known under sequential consistency, TSO and ARMv8.
func TestTable(t *testing.T) {
	for _, test := range tableRows() {
		for i, m := range Models() {
			n, err := newLittle(test.ops, test.deps).explored(m)
			if err != nil || n != test.want[i] {
				t.Errorf("%s under %s: %d graphs, want %d (%v)", test.name, m, n, test.want[i], err)
			}
		}
	}
}
