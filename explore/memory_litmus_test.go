package explore

import (
	"fmt"
	"testing"

	"emurace/emu"
	"emurace/explore/graph"
	"emurace/loader"
)

// fenced are accesses with barriers, acquire and release, and dependencies, as gcc makes them for arm64.
const fenced = `
volatile u32 x, y, z;
#ifdef __aarch64__
#define BAR(what) asm volatile(what ::: "memory")
static u32 ldar(volatile u32 *p) { u32 v; asm volatile("ldar %w0, [%1]" : "=r"(v) : "r"(p) : "memory"); return v; }
static void stlr(volatile u32 *p, u32 v) { asm volatile("stlr %w0, [%1]" :: "r"(v), "r"(p) : "memory"); }
u32 WxFRy(void) { x = 1; BAR("dmb sy"); return y; }
u32 WyFRx(void) { y = 1; BAR("dmb sy"); return x; }
u32 LxAy(void) { stlr(&x, 1); return ldar(&y); }
u32 LyAx(void) { stlr(&y, 1); return ldar(&x); }
void WxFWy(u32 v) { x = v; BAR("dmb sy"); y = 1; }
void WxSWy(u32 v) { x = v; BAR("dmb st"); y = 1; }
void WyFWx(void) { y = 2; BAR("dmb sy"); x = 1; }
void WxSWy2(void) { x = 2; BAR("dmb st"); y = 1; }
void WySWx(void) { y = 2; BAR("dmb st"); x = 1; }
void WxLy(void) { x = 1; stlr(&y, 1); }
u32 RyFRx(void) { u32 r = y; BAR("dmb sy"); return 16 * r + x; }
u32 RyDRx(void) { u32 r = y; BAR("dmb ld"); return 16 * r + x; }
u32 AyRx(void) { u32 r = ldar(&y); return 16 * r + x; }
u32 RyRx(void) { u32 r = y; return 16 * r + x; }
u32 RyAddrRx(void) { u32 r, v, t; asm volatile("ldr %w0, [%3]\neor %w2, %w0, %w0\nldr %w1, [%4, %w2, uxtw]" : "=&r"(r), "=&r"(v), "=&r"(t) : "r"(&y), "r"(&x) : "memory"); return 16 * r + v; }
u32 RyCtrlRx(void) { u32 r, v; asm volatile("ldr %w0, [%2]\ncbnz %w0, 1f\n1: ldr %w1, [%3]" : "=&r"(r), "=&r"(v) : "r"(&y), "r"(&x) : "memory"); return 16 * r + v; }
u32 RyIsbRx(void) { u32 r, v; asm volatile("ldr %w0, [%2]\ncbnz %w0, 1f\n1: isb\nldr %w1, [%3]" : "=&r"(r), "=&r"(v) : "r"(&y), "r"(&x) : "memory"); return 16 * r + v; }
u32 RyDataWx(void) { u32 r, t; asm volatile("ldr %w0, [%2]\neor %w1, %w0, %w0\nadd %w1, %w1, #1\nstr %w1, [%3]" : "=&r"(r), "=&r"(t) : "r"(&y), "r"(&x) : "memory"); return r; }
u32 RyCtrlWx(void) { u32 r, t = 1; asm volatile("ldr %w0, [%2]\ncbnz %w0, 1f\n1: str %w1, [%3]" : "=&r"(r) : "r"(t), "r"(&y), "r"(&x) : "memory"); return r; }
u32 AddARy(void) { u32 r = 1, t; asm volatile(".arch armv8.1-a\nldadda %w0, %w1, [%2]" : "+r"(r), "=&r"(t) : "r"(&x) : "memory"); return y; }
u32 AddALRy(void) { u32 r = 1, t; asm volatile(".arch armv8.1-a\nldaddal %w0, %w1, [%2]" : "+r"(r), "=&r"(t) : "r"(&x) : "memory"); return y; }
u32 RxAddrRy(void) { u32 r, v, t; asm volatile("ldr %w0, [%3]\neor %w2, %w0, %w0\nldr %w1, [%4, %w2, uxtw]" : "=&r"(r), "=&r"(v), "=&r"(t) : "r"(&x), "r"(&y) : "memory"); return 16 * r + v; }
void Wx(u32 v) { x = v; }
void Wy(u32 v) { y = v; }
u32 RyWx(void) { u32 r = y; x = 1; return r; }
#else

u32 WxFRy(void) { x = 1; asm volatile("mfence" ::: "memory"); return y; }
u32 WyFRx(void) { y = 1; asm volatile("mfence" ::: "memory"); return x; }
u32 XxRy(void) { u32 r = 1; asm volatile("xchgl %0, %1" : "+r"(r), "+m"(x) :: "memory"); return y; }
u32 XyRx(void) { u32 r = 1; asm volatile("xchgl %0, %1" : "+r"(r), "+m"(y) :: "memory"); return x; }
u32 WxLRy(void) { u32 p = 0; x = 1; asm volatile("lock orl $0, %0" : "+m"(p) :: "memory"); return y; }
u32 WyRx(void) { y = 1; return x; }
u32 NTxWy(void) { asm volatile("movnti %1, %0" : "=m"(x) : "r"(1) : "memory"); y = 1; return 0; }
u32 NTxSWy(void) { asm volatile("movnti %1, %0\nsfence" : "=m"(x) : "r"(1) : "memory"); y = 1; return 0; }
u32 RyRx(void) { u32 r = y; return 16 * r + x; }
#endif
`

// TestGraphLitmus: real instructions have as many graphs under each memory model as the literature's
// litmus tests say, without executions in which a read waits for a later write.
func TestGraphLitmus(t *testing.T) {
	type test struct {
		name    string
		source  string
		threads []string
		want    map[graph.Model]uint64
	}
	all := func(sc, tso, arm uint64) map[graph.Model]uint64 {
		return map[graph.Model]uint64{graph.SC: sc, graph.TSO: tso, graph.ARM: arm}
	}
	both := []test{
		{"SB", litmus, []string{"WxRy", "WyRx 1"}, all(3, 4, 4)},
		{"MP", litmus, []string{"WxWy 1 1", "RyRx"}, all(3, 3, 4)},
		{"LB", litmus, []string{"RxWy", "RyWx"}, all(3, 3, 3)},
		{"S", litmus, []string{"WxWy 2 1", "RyWx"}, all(3, 3, 4)},
		{"R", litmus, []string{"WxWy 1 1", "WyRx 2"}, all(3, 4, 4)},
		{"2+2W", litmus, []string{"WxWy 1 2", "WyWx 1 2"}, all(3, 3, 4)},
		{"CoRR", litmus, []string{"Wx 1", "RxRx"}, all(3, 3, 3)},
		{"WRC", litmus, []string{"Wx 1", "RxWy", "RyRx"}, all(7, 7, 8)},
		{"RWC", litmus, []string{"Wx 1", "RxRy", "WyRx 1"}, all(7, 8, 8)},
		{"ISA2", litmus, []string{"WxWy 1 1", "RyWz", "RzRx"}, all(7, 7, 8)},
		{"IRIW", litmus, []string{"Wx 1", "Wy 1", "RxRy", "RyRx"}, all(15, 15, 16)},
		{"SB with barriers", fenced, []string{"WxFRy", "WyFRx"}, all(3, 3, 3)},
	}
	of := map[loader.Arch][]test{
		loader.ARM64: {
			{"SB+rel-acqs", fenced, []string{"LxAy", "LyAx"}, all(3, 3, 3)},
			{"MP+dmb.sy+po", fenced, []string{"WxFWy 1", "RyRx"}, all(3, 3, 4)},
			{"MP+dmb.sys", fenced, []string{"WxFWy 1", "RyFRx"}, all(3, 3, 3)},
			{"MP+dmb.st+dmb.ld", fenced, []string{"WxSWy 1", "RyDRx"}, all(3, 3, 3)},
			{"MP+dmb.sy+addr", fenced, []string{"WxFWy 1", "RyAddrRx"}, all(3, 3, 3)},
			{"MP+dmb.sy+ctrl", fenced, []string{"WxFWy 1", "RyCtrlRx"}, all(3, 3, 4)},
			{"MP+dmb.sy+ctrlisb", fenced, []string{"WxFWy 1", "RyIsbRx"}, all(3, 3, 3)},
			{"MP+rel+acq", fenced, []string{"WxLy", "AyRx"}, all(3, 3, 3)},
			{"MP+rel+po", fenced, []string{"WxLy", "RyRx"}, all(3, 3, 4)},
			{"S+dmb.sy+po", fenced, []string{"WxFWy 2", "RyWx"}, all(3, 3, 4)},
			{"S+dmb.sy+data", fenced, []string{"WxFWy 2", "RyDataWx"}, all(3, 3, 3)},
			{"S+dmb.sy+ctrl", fenced, []string{"WxFWy 2", "RyCtrlWx"}, all(3, 3, 3)},
			{"2+2W+dmb.sts", fenced, []string{"WxSWy2", "WySWx"}, all(3, 3, 3)},
			{"SB+ldadda+dmb.sy", fenced, []string{"AddARy", "WyFRx"}, all(3, 3, 4)},
			{"SB+ldaddal+dmb.sy", fenced, []string{"AddALRy", "WyFRx"}, all(3, 3, 3)},
			{"IRIW+addrs", fenced, []string{"Wx 1", "Wy 1", "RxAddrRy", "RyAddrRx"}, all(15, 15, 15)},
		},
		loader.AMD64: {
			{"SB+mfence+po", fenced, []string{"WxFRy", "WyRx"}, all(3, 4, 0)},
			{"SB+xchgs", fenced, []string{"XxRy", "XyRx"}, all(3, 3, 0)},
			{"SB with a lock on private memory", fenced, []string{"WxLRy", "WyFRx"}, all(3, 3, 0)},
			{"MP+nt+po", fenced, []string{"NTxWy", "RyRx"}, all(3, 4, 0)},
			{"MP+nt-sfence+po", fenced, []string{"NTxSWy", "RyRx"}, all(3, 3, 0)},
		},
	}
	eachArch(t, func(t *testing.T, sys *emu.System) {
		for _, test := range append(both, of[sys.Arch]...) {
			p := program{test.name, test.source, test.threads}
			for _, m := range graph.Models() {
				if m == graph.ARM && sys.Arch == loader.AMD64 {
					continue
				}
				t.Run(fmt.Sprint(test.name, "/", m), func(t *testing.T) {
					got, err := Graphs(t.Context(), p.starter(t, sys), m, Options{KeepGoing: true, Jobs: 1})
					must(t, err)
					if got.Schedules != test.want[m] || got.Verdict != Clean {
						t.Errorf("%d graphs, want %d: %+v", got.Schedules, test.want[m], got)
					}
				})
			}
		}
	})
}
