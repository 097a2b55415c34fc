package shim

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"emurace/internal/testseed"
	"emurace/loader"
)

// nativeState is what testdata/guest/native.c reads and writes.
type nativeState struct {
	Signal, Addr uint64
	PC, Flags    uint64
	Regs         [16]uint64
	MXCSR        uint64
	XMM          [16][2]uint64
	Data         [2 * PageSize]byte
	Code         [PageSize]byte
}

// processor runs blocks on the processor that the test runs on.
type processor struct {
	in  io.Writer
	out io.Reader
}

func newProcessor(t *testing.T) *processor {
	t.Helper()
	if runtime.GOARCH != "amd64" {
		t.Skip("the host is not amd64")
	}
	cc := os.Getenv("CC")
	if cc == "" {
		cc = "cc"
	}
	program := filepath.Join(t.TempDir(), "native")
	if said, err := exec.Command(cc, "-O1", "-o", program, "../../../testdata/guest/native.c").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, said)
	}
	cmd := exec.Command(program)
	in, err := cmd.StdinPipe()
	must(t, err)
	out, err := cmd.StdoutPipe()
	must(t, err)
	cmd.Stderr = os.Stderr
	must(t, cmd.Start())
	t.Cleanup(func() {
		_ = in.Close() // it ends then
		if err := cmd.Wait(); err != nil {
			t.Errorf("the native program: %v", err)
		}
	})
	return &processor{in, out}
}

func (p *processor) run(t *testing.T, s nativeState) nativeState {
	t.Helper()
	must(t, binary.Write(p.in, binary.LittleEndian, &s))
	must(t, binary.Read(p.out, binary.LittleEndian, &s))
	return s
}

// nativeNames are the general registers in the order of the encoding.
var nativeNames = []string{"rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15"}

var ud2 = []byte{0x0f, 0x0b}

// drawState is what a block begins with.
func drawState(r *rand.Rand, code []byte) nativeState {
	s := nativeState{PC: codeAt, Flags: 0x202 | r.Uint64()&conditions, MXCSR: 0x1f80}
	copy(s.Code[:], append(code[:len(code):len(code)], ud2...))
	for i := range s.Regs {
		s.Regs[i] = r.Uint64() >> r.IntN(64)
	}
	s.Regs[3], s.Regs[4] = dataAt+PageSize, dataAt+PageSize+2048
	for i := range s.XMM {
		s.XMM[i][0] = []uint64{r.Uint64(), 0x3ff0000000000000, 0x7ff8000000000000, 1 << 63, 0x7ff0000000000000, 3, 0x4008000040400000}[r.IntN(7)]
	}
	for i := range s.Data {
		s.Data[i] = byte(r.Uint32() >> (r.Uint32() & 15))
	}
	return s
}

// put gives a thread of an engine a state.
func (s *nativeState) put(t *testing.T, e *Engine) {
	t.Helper()
	must(t, e.Store(0, codeAt, s.Code[:]))
	must(t, e.Store(0, dataAt, s.Data[:]))
	set(t, e, 0, "pc", s.PC)
	set(t, e, 0, "eflags", s.Flags)
	set(t, e, 0, "mxcsr", s.MXCSR)
	for i, n := range nativeNames {
		set(t, e, 0, n, s.Regs[i])
	}
	for i, x := range s.XMM {
		set(t, e, 0, fmt.Sprintf("xmm%d", i), x[0])
	}
}

// differences says what of an engine's thread is not as it is on the processor, the flags
// that are undefined apart.
func (s *nativeState) differences(t *testing.T, e *Engine, undefined uint64) string {
	t.Helper()
	var list []string
	note := func(what string, got, want uint64) {
		if got != want {
			list = append(list, fmt.Sprintf("%s %#x, on the processor %#x", what, got, want))
		}
	}
	note("pc", get(t, e, 0, "pc"), s.PC)
	for i, n := range nativeNames {
		note(n, get(t, e, 0, n), s.Regs[i])
	}
	mask := (conditions | flagD) &^ undefined
	note("flags", get(t, e, 0, "eflags")&mask, s.Flags&mask)
	const control = 0xffc0
	note("mxcsr", get(t, e, 0, "mxcsr")&control, s.MXCSR&control)
	block, err := e.ReadRegs(0)
	must(t, err)
	for _, r := range Regs(e.arch) {
		var i int
		if n, _ := fmt.Sscanf(r.Name, "xmm%d", &i); n == 1 {
			note(r.Name, binary.LittleEndian.Uint64(block), s.XMM[i][0])
			note(r.Name+" above", binary.LittleEndian.Uint64(block[8:]), s.XMM[i][1])
		}
		block = block[r.Size:]
	}
	for i, b := range e.View(dataAt, uint64(len(s.Data))) {
		if b != s.Data[i] {
			note(fmt.Sprintf("memory +%#x", i), uint64(b), uint64(s.Data[i]))
			break
		}
	}
	return strings.Join(list, "; ")
}

// TestNative: registers, flags and memory are those of a processor after every
// instruction of random blocks, wherever slices end.
func TestNative(t *testing.T) {
	if !UserMode {
		t.Skip("Unicorn is not patched")
	}
	seed := testseed.Of(t, 1)
	blocks := 600
	if testing.Short() {
		blocks = 60
	}
	if *hostBlocks > 0 {
		blocks = *hostBlocks
	}
	p := newProcessor(t)
	e := newEngine(t, loader.AMD64, nil, 1, true)
	must(t, e.SetPages(dataAt, 4*PageSize, 0))
	must(t, e.SetPages(dataAt, 2*PageSize, Read|Write|Mapped))
	compared := 0
	for n := range blocks {
		r := rand.New(rand.NewPCG(seed, uint64(n)))
		b := makeNativeBlock(r, 1+r.IntN(16))
		start := drawState(r, b.code)
		// What the processor has before each instruction that it comes to.
		want := map[uint64]nativeState{}
		for _, at := range b.starts {
			s := start
			copy(s.Code[at:], ud2)
			if s = p.run(t, s); s.Signal == 4 && s.PC == codeAt+uint64(at) {
				want[s.PC] = s
			}
		}
		end := p.run(t, start)
		start.put(t, e)
		mark, err := e.Mark()
		must(t, err)
		for way := range 4 {
			if text := b.compare(t, e, r, want, end, way, &compared); text != "" {
				t.Fatalf("block %d of seed %d, way %d: %s\nthe code is %s", n, seed, way, text, hex.EncodeToString(b.code))
			}
			must(t, mark.Rewind())
		}
		mark.Drop()
	}
	t.Logf("%d blocks, %d states compared", blocks, compared)
}

// compare runs the block in slices: of one instruction, of a few, or in one go.
func (b *nativeBlock) compare(t *testing.T, e *Engine, r *rand.Rand, want map[uint64]nativeState, end nativeState, way int, compared *int) string {
	undefined := map[uint64]uint64{}
	for i, at := range b.starts {
		undefined[codeAt+uint64(at)] = b.undef[i]
	}
	e.SetSharing(r.IntN(4) == 0)
	for last := uint64(0); ; {
		budget := []uint64{1, 1 + r.Uint64N(4), 1 + r.Uint64N(20), 1000}[way]
		s := run(t, e, 0, budget)
		pc := get(t, e, 0, "pc")
		switch {
		case s.Reason == StopBudget || s.Reason == StopEvent:
			w, ok := want[pc]
			if b.reps[int(pc-codeAt)] && (budget != 1 || pc == last) {
				ok = false // it may be between two rounds
			}
			if last = pc; !ok {
				continue
			}
			*compared++
			if text := w.differences(t, e, undefined[pc]); text != "" {
				return fmt.Sprintf("before %#x: %s", pc-codeAt, text)
			}
			continue
		case s.Reason == StopIllegal && end.Signal == 4:
		case s.Reason == StopFault && end.Signal == 11 && s.Fault.Addr == end.Addr:
		case s.Reason == StopException && s.Vector == 0 && end.Signal == 8:
		case s.Reason == StopException && s.Vector == 13 && end.Signal == 11:
		default:
			return fmt.Sprintf("%+v, on the processor signal %d at %#x for %#x", s, end.Signal, end.PC, end.Addr)
		}
		*compared++
		if text := end.differences(t, e, undefined[pc]); text != "" {
			return fmt.Sprintf("at the end, %#x: %s", pc-codeAt, text)
		}
		return ""
	}
}
