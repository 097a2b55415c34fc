package shim

import (
	"bufio"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"emurace/internal/testseed"
	"emurace/loader"
)

// What a guest runs may end the guest, and never the process that it runs in. So code
// that nobody has looked at is run here in a process of its own: one that dies, stands
// still or grows is a fault of the engine's, shown with the code that did it.

var (
	hostBlocks = flag.Int("host-blocks", 0, "blocks of each kind and architecture that TestHostSurvives runs; 0 for some")
	hostFor    = flag.Duration("host-for", 0, "how long TestHostSurvives goes on; 0 for so many blocks")
)

// blockKinds make the code of a block.
var blockKinds = map[loader.Arch]map[string]func(r *rand.Rand) []byte{
	loader.ARM64: {"random": randomBytes, "structured": arm64Structured},
	loader.AMD64: {"random": randomBytes, "structured": amd64Structured},
}

const blockSize = 256

func randomBytes(r *rand.Rand) []byte {
	b := make([]byte, blockSize)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

// blockAt is the block of a number, and what is drawn for its run.
func blockAt(arch loader.Arch, kind string, seed, number uint64) ([]byte, *rand.Rand) {
	r := rand.New(rand.NewPCG(seed, number))
	return blockKinds[arch][kind](r), r
}

// hostTimeout is how long a block may take: it runs some hundred instructions.
const hostTimeout = 20 * time.Second

// TestHostSurvives runs blocks of random bytes, and of instructions put together from
// their fields, in random slices with rewinds between.
func TestHostSurvives(t *testing.T) {
	if !UserMode {
		t.Skip("Unicorn is not patched")
	}
	seed := testseed.Of(t, 1)
	blocks := 4000
	if testing.Short() {
		blocks = 150
	}
	if *hostBlocks > 0 {
		blocks = *hostBlocks
	}
	eachArch(t, func(t *testing.T, arch loader.Arch) {
		for kind := range blockKinds[arch] {
			t.Run(kind, func(t *testing.T) {
				t.Parallel()
				began := time.Now()
				ran := uint64(0)
				for ran < uint64(blocks) || *hostFor > 0 && time.Since(began) < *hostFor {
					n := survive(t, arch, kind, seed, ran, uint64(blocks))
					ran += n
				}
				t.Logf("%d blocks in %v", ran, time.Since(began).Round(time.Second))
			})
		}
	})
}

// survive has a process run blocks, from a number on, and tells how many it has run.
func survive(t *testing.T, arch loader.Arch, kind string, seed, from, count uint64) uint64 {
	cmd := exec.Command(os.Args[0], "-test.run", "^TestHostChild$", "-test.timeout", "0")
	cmd.Env = append(os.Environ(), "HOST_CHILD="+fmt.Sprintf("%s %s %d %d %d", arch, kind, seed, from, count))
	out, err := cmd.StdoutPipe()
	must(t, err)
	var said strings.Builder
	cmd.Stderr = &said
	must(t, cmd.Start())
	lines := make(chan string)
	go func() {
		defer close(lines)
		for s := bufio.NewScanner(out); s.Scan(); {
			lines <- s.Text()
		}
	}()
	at, done, late := from, false, false
	other := []string{}
	timer := time.NewTimer(hostTimeout)
	for open := true; open; {
		select {
		case line, ok := <-lines:
			open = ok
			if n, err := strconv.ParseUint(line, 10, 64); err == nil {
				at = n
			} else if line == "done" {
				done = true
			} else if ok {
				other = append(other, line)
			}
			timer.Reset(hostTimeout)
		case <-timer.C:
			late = true
			must(t, cmd.Process.Kill())
		}
	}
	err = cmd.Wait()
	if done && err == nil {
		return count
	}
	code, _ := blockAt(arch, kind, seed, at)
	what := "died"
	if late {
		what = "stood still"
	}
	text := said.String()
	if len(text) > 3000 {
		text = text[:3000]
	}
	t.Errorf("%s, %s block %d of seed %d: the process %s: %v\n%s\n%s\n%s", arch, kind, at, seed, what, err, hex.EncodeToString(code), strings.Join(other, "\n"), text)
	return at + 1 - from
}

// TestHostChild is the process that runs the blocks. It writes the number of each
// before it runs it.
func TestHostChild(t *testing.T) {
	order := os.Getenv("HOST_CHILD")
	if order == "" {
		t.Skip("it is run by TestHostSurvives")
	}
	var name, kind string
	var seed, from, count uint64
	if _, err := fmt.Sscanf(order, "%s %s %d %d %d", &name, &kind, &seed, &from, &count); err != nil {
		t.Fatal(err)
	}
	arch := loader.ARM64
	if name == loader.AMD64.String() {
		arch = loader.AMD64
	}
	out := bufio.NewWriter(os.Stdout)
	const anew = 500 // blocks of an engine
	var before uint64
	for at := from; at < from+count; at += anew {
		blocks := min(anew, from+count-at)
		if err := runBlocks(out, arch, kind, seed, at, blocks); err != nil {
			t.Fatal(err)
		}
		if size := ownMemory(t); before == 0 {
			before = size
		} else if at > from+20*anew && size > before+before/2+100<<20 {
			t.Fatalf("the process has grown from %d to %d MiB", before>>20, size>>20)
		}
	}
	_, _ = io.WriteString(out, "done\n")
	must(t, out.Flush())
}

// ownMemory is how much memory the process has.
func ownMemory(t *testing.T) uint64 {
	b, err := os.ReadFile("/proc/self/statm")
	must(t, err)
	var size, pages uint64
	_, err = fmt.Sscan(string(b), &size, &pages)
	must(t, err)
	return pages * uint64(os.Getpagesize())
}

const scratch = codeAt + 64*PageSize // where code can be written

// openForBlocks is an engine with memory and two threads for blocks.
func openForBlocks(arch loader.Arch) (*Engine, error) {
	e, err := Open(arch, testZones, true)
	if err != nil {
		return nil, err
	}
	err = errors.Join(
		e.SetPages(codeAt, PageSize, Read|Exec|Mapped),
		e.SetPages(scratch, PageSize, Read|Write|Exec|Mapped),
		e.SetPages(dataAt, 4*PageSize, Read|Write|Mapped),
		e.SetPages(dataAt+5*PageSize, PageSize, Read|Mapped),
		e.AddThread(0, -1), e.AddThread(1, -1))
	if err != nil {
		e.Close()
	}
	return e, err
}

// runBlocks runs blocks on one engine.
func runBlocks(out *bufio.Writer, arch loader.Arch, kind string, seed, from, count uint64) error {
	e, err := openForBlocks(arch)
	if err != nil {
		return err
	}
	defer e.Close()
	base, err := e.Mark()
	if err != nil {
		return err
	}
	defer base.Drop()
	for n := from; n < from+count; n++ {
		code, r := blockAt(arch, kind, seed, n)
		if _, err := fmt.Fprintln(out, n); err != nil {
			return err
		}
		if err := out.Flush(); err != nil {
			return err
		}
		at := uint64(codeAt)
		switch r.IntN(4) {
		case 0:
			at = scratch
		case 1:
			at = scratch + PageSize - blockSize + r.Uint64N(64)&^3 // runs off the page
		}
		if err := e.Store(0, at, code[:min(blockSize, int(PageSize-at%PageSize))]); err != nil {
			return err
		}
		if err := runBlock(e, r, at, func(int, Stop) {}); err != nil {
			return fmt.Errorf("block %d: %w", n, err)
		}
		if err := base.Rewind(); err != nil {
			return err
		}
	}
	return nil
}

// places are what registers of a block point to.
var places = []uint64{dataAt, dataAt + 64, dataAt + 2*PageSize, dataAt + 4*PageSize - 8, dataAt + 4*PageSize, dataAt + 5*PageSize + 16, codeAt, codeAt + 64*PageSize, 0, 1, 8, 0x7fffffffffff, 1 << 63, ^uint64(0)}

// runBlock runs a block on two threads in random slices, of which see is told. How it ends
// does not matter.
func runBlock(e *Engine, r *rand.Rand, at uint64, see func(thread int, s Stop)) error {
	for thread := range 2 {
		for _, reg := range Regs(e.arch) {
			v := r.Uint64()
			switch r.IntN(6) {
			case 0:
				v = uint64(int64(int8(v)))
			case 1, 2, 3:
				v = places[r.IntN(len(places))]
			}
			switch reg.Name {
			case "pc", "rip":
				v = at
			case "sp", "rsp":
				if r.IntN(4) > 0 {
					v = dataAt + 2*PageSize
				}
			case "eflags":
				v &= 0xcd5 // the conditions and the direction
			}
			if err := e.WriteReg(thread, reg, v); err != nil {
				return fmt.Errorf("%s: %w", reg.Name, err)
			}
		}
	}
	e.SetSharing(r.IntN(2) == 0)
	m, err := e.Mark()
	if err != nil {
		return err
	}
	defer m.Drop()
	pc := e.pcReg()
	for range 60 {
		thread := r.IntN(2)
		budget := uint64(1 + r.IntN(4))
		if r.IntN(8) == 0 {
			budget = 200
		}
		s, err := e.Run(thread, budget)
		if err != nil {
			return err
		}
		see(thread, s)
		switch s.Reason {
		case StopBudget, StopEvent, StopSyscall:
			continue
		default: // it cannot go on here
		}
		// It goes on elsewhere in the block, so that one bad instruction hides no other.
		if r.IntN(20) == 0 {
			if err := m.Rewind(); err != nil {
				return err
			}
		}
		next := at + r.Uint64N(blockSize)
		if e.arch == loader.ARM64 {
			next &^= 3
		}
		if err := e.WriteReg(thread, pc, next); err != nil {
			return err
		}
	}
	return nil
}

func (e *Engine) pcReg() Reg {
	for _, r := range Regs(e.arch) {
		if r.Name == "pc" || r.Name == "rip" {
			return r
		}
	}
	panic("no program counter")
}
