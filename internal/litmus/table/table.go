package table

import (
	"fmt"

	"emurace/internal/litmus"
	"emurace/internal/litmus/cycles"
	"emurace/loader"
)

// Row is a test and what is known of it.
type Row struct {
	*litmus.Test
	// Seen tells whether an execution can be seen that the test looks for, under sequential consistency, TSO and
	// ARMv8, and Graphs how many executions there are in which program order and reads-from have no cycle. Such cycles
	// ARMv8 alone has; they count for Seen. Tests of x86 have no third figures.
	Seen   [3]bool
	Graphs [3]int
}

// row is a cycle, or a file, and what is known: A is allowed, F forbidden.
type row struct {
	test   string
	seen   string
	graphs [3]int
}

// cyclesARM are for AArch64, by the literature's names for them.
var cyclesARM = []row{
	{"PodWR Fre PodWR Fre", "FAA", [3]int{3, 4, 4}},
	{"DMB.SYdWR Fre PodWR Fre", "FAA", [3]int{3, 4, 4}},
	{"DMB.SYdWR Fre DMB.SYdWR Fre", "FFF", [3]int{3, 3, 3}},
	{"DMB.STdWR Fre DMB.LDdWR Fre", "FAA", [3]int{3, 4, 4}},
	{"PodWRLA FreAL PodWRLA FreAL", "FFF", [3]int{3, 3, 3}},
	{"PodWRLQ FreQL PodWRLQ FreQL", "FAA", [3]int{3, 4, 4}},
	{"PodWW Rfe PodRR Fre", "FFA", [3]int{3, 3, 4}},
	{"DMB.SYdWW Rfe PodRR Fre", "FFA", [3]int{3, 3, 4}},
	{"PodWW Rfe DpAddrdR Fre", "FFA", [3]int{3, 3, 4}},
	{"PodWWPL RfeLP PodRR Fre", "FFA", [3]int{3, 3, 4}},
	{"DMB.SYdWW Rfe DMB.SYdRR Fre", "FFF", [3]int{3, 3, 3}},
	{"DMB.STdWW Rfe DMB.LDdRR Fre", "FFF", [3]int{3, 3, 3}},
	{"DMB.SYdWW Rfe DpAddrdR Fre", "FFF", [3]int{3, 3, 3}},
	{"DMB.SYdWW Rfe DpCtrldR Fre", "FFA", [3]int{3, 3, 4}},
	{"DMB.SYdWW Rfe DpCtrlIsbdR Fre", "FFF", [3]int{3, 3, 3}},
	{"PodWWPL RfeLA PodRRAP Fre", "FFF", [3]int{3, 3, 3}},
	{"PodWWPL RfeLQ PodRRQP Fre", "FFF", [3]int{3, 3, 3}},
	{"DMB.SYdWW Rfe DpCtrldW Rfi DpAddrdR Fre", "FFA", [3]int{3, 3, 4}},
	{"DMB.SYdWW Rfe DpAddrdW Rfi DpAddrdR Fre", "FFF", [3]int{3, 3, 3}},
	{"PodRW Rfe PodRW Rfe", "FFA", [3]int{3, 3, 3}},
	{"DpDatadW Rfe PodRW Rfe", "FFA", [3]int{3, 3, 3}},
	{"DpDatadW Rfe DpDatadW Rfe", "FFF", [3]int{3, 3, 3}},
	{"DpCtrldW Rfe DpCtrldW Rfe", "FFF", [3]int{3, 3, 3}},
	{"PodRWAP RfePA PodRWAP RfePA", "FFF", [3]int{3, 3, 3}},
	{"PodWW Rfe PodRW Coe", "FFA", [3]int{3, 3, 4}},
	{"DMB.SYdWW Rfe PodRW Coe", "FFA", [3]int{3, 3, 4}},
	{"DMB.SYdWW Rfe DpDatadW Coe", "FFF", [3]int{3, 3, 3}},
	{"PodWW Coe PodWR Fre", "FAA", [3]int{3, 4, 4}},
	{"PodWW Coe DMB.SYdWR Fre", "FFA", [3]int{3, 3, 4}},
	{"PodWW Coe PodWW Coe", "FFA", [3]int{3, 3, 4}},
	{"DMB.SYdWW Coe PodWW Coe", "FFA", [3]int{3, 3, 4}},
	{"DMB.STdWW Coe DMB.STdWW Coe", "FFF", [3]int{3, 3, 3}},
	{"Rfe PodRR Fre Rfe PodRR Fre", "FFA", [3]int{15, 15, 16}},
	{"Rfe DpAddrdR Fre Rfe DpAddrdR Fre", "FFF", [3]int{15, 15, 15}},
	{"Rfe PodRW Rfe PodRR Fre", "FFA", [3]int{7, 7, 8}},
	{"Rfe DpAddrdW Rfe DpAddrdR Fre", "FFF", [3]int{7, 7, 7}},
	{"PodWW Rfe PodRW Rfe PodRR Fre", "FFA", [3]int{7, 7, 8}},
	{"DMB.SYdWW Rfe DpAddrdW Rfe DpAddrdR Fre", "FFF", [3]int{7, 7, 7}},
	{"PodWW Coe PodWW Rfe PodRR Fre", "FFA", [3]int{7, 7, 8}},
	{"Rfe PodRR Fre PodWR Fre", "FAA", [3]int{7, 8, 8}},
	{"PodWR Fre PodWR Fre PodWR Fre", "FAA", [3]int{7, 8, 8}},
}

// cyclesX86 are for x86. What ARMv8 would make of them is left out.
var cyclesX86 = []row{
	{"PodWR Fre PodWR Fre", "FA", [3]int{3, 4}},
	{"MFencedWR Fre PodWR Fre", "FA", [3]int{3, 4}},
	{"MFencedWR Fre MFencedWR Fre", "FF", [3]int{3, 3}},
	{"PodWW Rfe PodRR Fre", "FF", [3]int{3, 3}},
	{"PodRW Rfe PodRW Rfe", "FF", [3]int{3, 3}},
	{"PodWW Rfe PodRW Coe", "FF", [3]int{3, 3}},
	{"PodWW Coe PodWR Fre", "FA", [3]int{3, 4}},
	{"PodWW Coe MFencedWR Fre", "FF", [3]int{3, 3}},
	{"PodWW Coe PodWW Coe", "FF", [3]int{3, 3}},
	{"Rfe PodRR Fre Rfe PodRR Fre", "FF", [3]int{15, 15}},
	{"Rfe PodRW Rfe PodRR Fre", "FF", [3]int{7, 7}},
	{"Rfe PodRR Fre PodWR Fre", "FA", [3]int{7, 8}},
	{"Rfe PodRR Fre MFencedWR Fre", "FF", [3]int{7, 7}},
	{"PodWR Fre PodWR Fre PodWR Fre", "FA", [3]int{7, 8}},
}

// texts are tests that are no cycles of two locations, or have instructions of other kinds.
var texts = []row{
	{`AArch64 CoRR
{ 0:X1=x; 1:X1=x; }
P0 | P1 ;
MOV W0,#1 | LDR W0,[X1] ;
STR W0,[X1] | LDR W2,[X1] ;
exists (1:X0=1 /\ 1:X2=0)`, "FFF", [3]int{3, 3, 3}},
	{`AArch64 CoWW
{ 0:X1=x; }
P0 ;
MOV W0,#1 ;
STR W0,[X1] ;
MOV W2,#2 ;
STR W2,[X1] ;
exists (x=1)`, "FFF", [3]int{1, 1, 1}},
	{`AArch64 CoRW1
{ 0:X1=x; }
P0 ;
LDR W0,[X1] ;
MOV W2,#1 ;
STR W2,[X1] ;
exists (0:X0=1)`, "FFF", [3]int{1, 1, 1}},
	{`AArch64 CoRW2
{ 0:X1=x; 1:X1=x; }
P0 | P1 ;
MOV W0,#1 | LDR W0,[X1] ;
STR W0,[X1] | MOV W2,#2 ;
| STR W2,[X1] ;
exists (x=1 /\ 1:X0=1)`, "FFF", [3]int{3, 3, 3}},
	{`AArch64 CoWR
{ 0:X1=x; 1:X1=x; }
P0 | P1 ;
MOV W0,#1 | MOV W0,#2 ;
STR W0,[X1] | STR W0,[X1] ;
LDR W2,[X1] | ;
exists (x=1 /\ 0:X2=2)`, "FFF", [3]int{3, 3, 3}},
	{`AArch64 SB+ldadda+dmb.sy
{ 0:X1=x; 0:X3=y; 1:X1=y; 1:X3=x; }
P0 | P1 ;
MOV W0,#1 | MOV W0,#1 ;
LDADDA W0,W2,[X1] | STR W0,[X1] ;
LDR W4,[X3] | DMB SY ;
| LDR W4,[X3] ;
exists (0:X4=0 /\ 1:X4=0)`, "FFA", [3]int{3, 3, 4}},
	{`AArch64 SB+ldaddal+dmb.sy
{ 0:X1=x; 0:X3=y; 1:X1=y; 1:X3=x; }
P0 | P1 ;
MOV W0,#1 | MOV W0,#1 ;
LDADDAL W0,W2,[X1] | STR W0,[X1] ;
LDR W4,[X3] | DMB SY ;
| LDR W4,[X3] ;
exists (0:X4=0 /\ 1:X4=0)`, "FFF", [3]int{3, 3, 3}},
	{`X86 SB+xchgs
{ 0:EAX=1; 1:EAX=1; }
P0 | P1 ;
XCHG [x],EAX | XCHG [y],EAX ;
MOV EBX,[y] | MOV EBX,[x] ;
exists (0:EBX=0 /\ 1:EBX=0)`, "FF", [3]int{3, 3}},
}

// Rows are all tests of an architecture.
func Rows(arch loader.Arch) ([]Row, error) {
	of := cyclesARM
	if arch == loader.AMD64 {
		of = cyclesX86
	}
	var list []Row
	for _, r := range of {
		test, err := cycles.Test(arch, r.test)
		if err != nil {
			return nil, fmt.Errorf("table: %w", err)
		}
		list = append(list, r.known(test))
	}
	for _, r := range texts {
		test, err := litmus.Parse(r.test)
		if err != nil {
			return nil, fmt.Errorf("table: %w", err)
		}
		if test.Arch == arch {
			list = append(list, r.known(test))
		}
	}
	return list, nil
}

func (r row) known(test *litmus.Test) Row {
	row := Row{Test: test, Graphs: r.graphs}
	for i, c := range []byte(r.seen) {
		row.Seen[i] = c == 'A'
	}
	return row
}
