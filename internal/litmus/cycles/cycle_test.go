package cycles

import (
	"strings"
	"testing"

	"emurace/internal/litmus"
	"emurace/loader"
)

// TestTest: a cycle becomes the test that diy makes of it, but for registers.
func TestTest(t *testing.T) {
	for _, c := range []struct {
		arch            loader.Arch
		relations, want string
	}{
		{loader.ARM64, "DMB.SYdWW Rfe DpAddrdR Fre", `AArch64 MP+dmb.sy+addr
{
0:X0=x;
0:X2=y;
1:X0=y;
1:X2=x;
}
 P0          | P1                  ;
 MOV W1,#1   | LDR W1,[X0]         ;
 STR W1,[X0] | EOR W3,W1,W1        ;
 DMB SY      | LDR W4,[X2,W3,SXTW] ;
 MOV W3,#1   |                     ;
 STR W3,[X2] |                     ;
exists (1:X1=1 /\ 1:X4=0)
`},
		// It begins with another thread than its family, and is turned.
		{loader.ARM64, "DpDatadWPL WseLP DMB.STdWWPL RfeLP", `AArch64 S+dmb.stpl+datapl
{
0:X0=x;
0:X2=y;
1:X0=y;
1:X2=x;
}
 P0           | P1           ;
 MOV W1,#2    | LDR W1,[X0]  ;
 STR W1,[X0]  | EOR W3,W1,W1 ;
 DMB ST       | ADD W4,W3,#1 ;
 MOV W3,#1    | STLR W4,[X2] ;
 STLR W3,[X2] |              ;
exists (x=2 /\ 1:X1=1)
`},
		{loader.AMD64, "MFencedWR Fre PodWR Fre", `X86 SB+mfence+po
{
}
 P0          | P1          ;
 MOV [x],$1  | MOV [y],$1  ;
 MFENCE      | MOV EAX,[x] ;
 MOV EAX,[y] |             ;
exists (0:EAX=0 /\ 1:EAX=0)
`},
		{loader.ARM64, "DpCtrlIsbsRPQ PodRRQP Fre PosWW Rfe DpAddrdR Fre PodWW Rfe", `AArch64 RR+WW+RR+WW+ctrlisbspq-poqp+pos+addr+po
{
0:X0=x;
0:X3=y;
1:X0=y;
2:X0=y;
2:X2=z;
3:X0=z;
3:X2=x;
}
 P0            | P1          | P2                  | P3          ;
 LDR W1,[X0]   | MOV W1,#1   | LDR W1,[X0]         | MOV W1,#1   ;
 CBNZ W1,LC00  | STR W1,[X0] | EOR W3,W1,W1        | STR W1,[X0] ;
 LC00: ISB     | MOV W2,#2   | LDR W4,[X2,W3,SXTW] | MOV W3,#1   ;
 LDAPR W2,[X0] | STR W2,[X0] |                     | STR W3,[X2] ;
 LDR W4,[X3]   |             |                     |             ;
exists (y=2 /\ 0:X1=1 /\ 0:X2=1 /\ 0:X4=0 /\ 2:X1=2 /\ 2:X4=0)
`},
	} {
		got, err := Test(c.arch, c.relations)
		if err != nil || got.String() != c.want {
			t.Errorf("%s: %v\n%s\nwant\n%s", c.relations, err, got, c.want)
		}
	}
}

// TestErrors: what is no cycle, or is none of an architecture, is refused.
func TestErrors(t *testing.T) {
	for relations, want := range map[string]string{
		"":                                         "not 2 to 40 relations",
		strings.Repeat("PodWW ", 41):               "not 2 to 40 relations",
		"PodWW Rfx PodRR Fre":                      `"Rfx" is no relation`,
		"PodWW Rfe PodRR FreX":                     `"FreX" is no relation`,
		"PoWW Rfe PodRR Fre":                       "does not say d or s",
		"PodW Rfe PodRR Fre":                       "does not say which accesses",
		"PodWW Rfe DpDatadR Fre":                   "a read takes no data",
		"PodWW Rfe PodRRAL FreLP":                  `"PodRRAL" is no relation`,
		"PodWW Rfe PodWR Fre":                      "Rfe does not go together with PodWR",
		"PodWWPL Rfe PodRR Fre":                    "PodWWPL does not go together with Rfe",
		"PodWW PodWW":                              "one thread only",
		"PodWW Rfe PosRR Fre":                      "another location and back",
		"PodWW Rfe PodRW Wsi Wsi Wse":              "more than two writes",
		"MFencedWW Rfe PodRR Fre":                  "AArch64 has no such relation",
		strings.Repeat("PodRR Fre PodWW Rfe ", 11): "not 2 to 40 relations",
	} {
		if got, err := Test(loader.ARM64, relations); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q\n%v", relations, err, want, got)
		}
	}
	for relations, want := range map[string]string{
		"DMB.SYdWW Rfe PodRR Fre": "x86 has no such relation", "PodWW Rfe DpAddrdR Fre": "x86 has no such relation",
		"PodWWPL RfeLP PodRR Fre":                           "x86 has no such relation",
		"PodWW Rfe PodRR PodRR PodRR PodRR PodRR PodRR Fre": "too many accesses for its registers",
	} {
		if _, err := Test(loader.AMD64, relations); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q on x86: %v, want %q", relations, err, want)
		}
	}
}

// TestNames: cycles are called as in the literature, wherever they begin.
func TestNames(t *testing.T) {
	for relations, want := range map[string]string{
		"PodRR Fre PodWW Rfe":                        "MP",
		"Fre Rfe PodRW Rfe PodRR":                    "WRC",
		"PodWR Fre DMB.SYdWR Fre DMB.SYdWR Fre":      "3.SB+po+dmb.sy+dmb.sy",
		"PodWW Coe PodWW Coe PodWW Coe":              "3.2W",
		"PodRW Rfe PodRW Rfe PodRW Rfe PodRW Rfe":    "4.LB",
		"Rfe PodRW Rfe PodRW Rfe PodRR Fre":          "W+RW+RW+RR",
		"DMB.SYdWR Fre Rfi DpAddrdR Fre":             "SB+dmb.sy+rfi-addr",
		"Rfe DMB.SYdRR Fre Rfe DMB.SYdRR Fre":        "IRIW+dmb.sys",
		"PodWWLL RfeLA PodRRAA FreAL":                "MP+poll+poaa",
		"PodWW Rfe PosRR DpCtrldW Wsi Rfi PodRR Fre": "MP+po+pos-ctrl-wsi-rfi-po",
	} {
		got, err := Test(loader.ARM64, relations)
		if err != nil || got.Name != want {
			t.Errorf("%s is called %v, want %s (%v)", relations, got, want, err)
		}
	}
}

// FuzzTest: whatever the relations are, a test is made that is written and read as it is, or they are refused.
func FuzzTest(f *testing.F) {
	f.Add("DMB.SYdWW Rfe DpAddrdR Fre", true)
	f.Add("PodWWPL RfeLA PosRRAA DpCtrlIsbdWAL FriQP Coi Rfi DpDatasWPL Wse", true)
	f.Add("MFencedWR Fre PodWR Fre", false)
	f.Fuzz(func(t *testing.T, relations string, arm bool) {
		arch := loader.AMD64
		if arm {
			arch = loader.ARM64
		}
		test, err := Test(arch, relations)
		if err != nil {
			return
		}
		again, err := litmus.Parse(test.String())
		if err != nil || again.String() != test.String() {
			t.Errorf("%q: %v\n%s\n%v", relations, err, test, again)
		}
		if _, err := litmus.Source([]*litmus.Test{test}); err != nil {
			t.Errorf("%q: %v", relations, err)
		}
	})
}
