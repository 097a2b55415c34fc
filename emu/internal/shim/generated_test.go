package shim

import (
	"fmt"
	"slices"
	"testing"

	"emurace/internal/testseed"
	"emurace/loader"
)

// slice is what came of one run of a block's thread.
type slice struct {
	thread int
	stop   Stop
	steps  uint64
	regs   string
	log    int
}

// ranBlock is what came of a block.
type ranBlock struct {
	slices []slice
	log    []Access
	grown  uint64 // how often a byte was found to be shared
}

// run runs a block on an engine, and takes down all that can be seen of it.
func (b *ranBlock) run(t *testing.T, e *Engine, arch loader.Arch, kind string, seed, number uint64) {
	t.Helper()
	code, r := blockAt(arch, kind, seed, number)
	must(t, e.Store(0, codeAt, code))
	e.ForgetShared()
	must(t, runBlock(e, r, codeAt, func(thread int, s Stop) {
		regs, err := e.ReadRegs(thread)
		must(t, err)
		b.slices = append(b.slices, slice{thread, s, e.Steps(), string(regs), e.LogLen()})
	}))
	b.log = slices.Clone(e.Log().List())
	b.grown = e.SharedGrown()
}

// Blocks of instructions of every kind end their slices in the same way, with the same
// registers, log and shared bytes, whether code is generated or all runs with hooks.
func TestBothWaysAgree(t *testing.T) {
	if !UserMode {
		t.Skip("Unicorn is not patched: there is one way, and some blocks end the process")
	}
	seed := testseed.Of(t, 1)
	blocks := uint64(1500)
	if testing.Short() {
		blocks = 60
	}
	if *hostBlocks > 0 {
		blocks = uint64(*hostBlocks)
	}
	eachArch(t, func(t *testing.T, arch loader.Arch) {
		for kind := range blockKinds[arch] {
			t.Run(kind, func(t *testing.T) {
				const anew = 250 // blocks of an engine: what is known of strange addresses stays
				var engines [2]*Engine
				var bases [2]*Mark
				defer func() { closeAll(engines) }()
				for n := range blocks {
					var ran [2]ranBlock
					if n%anew == 0 {
						closeAll(engines)
						for i := range engines {
							e, err := openForBlocks(arch)
							must(t, err)
							e.SetHooked(i == 0)
							engines[i], bases[i] = e, mustMark(t, e)
						}
					}
					for i, e := range engines {
						ran[i].run(t, e, arch, kind, seed, n)
						must(t, bases[i].Rewind())
					}
					if what := difference(ran[0], ran[1]); what != "" {
						code, _ := blockAt(arch, kind, seed, n)
						t.Fatalf("%s block %d of seed %d, with hooks and generated: %s\n%x", kind, n, seed, what, code)
					}
				}
			})
		}
	})
}

func closeAll(engines [2]*Engine) {
	for _, e := range engines {
		if e != nil {
			e.Close()
		}
	}
}

func difference(a, b ranBlock) string {
	for i := range min(len(a.slices), len(b.slices)) {
		x, y := a.slices[i], b.slices[i]
		if x.regs != y.regs && x.stop == y.stop {
			return fmt.Sprintf("slice %d, %+v: registers differ", i, x.stop)
		}
		if x != y {
			x.regs, y.regs = "", ""
			return fmt.Sprintf("slice %d: %+v and %+v", i, x, y)
		}
	}
	for i := range min(len(a.log), len(b.log)) {
		if a.log[i] != b.log[i] {
			return fmt.Sprintf("entry %d: %+v and %+v", i, a.log[i], b.log[i])
		}
	}
	switch {
	case len(a.slices) != len(b.slices) || len(a.log) != len(b.log):
		return fmt.Sprintf("%d slices and %d entries, %d and %d", len(a.slices), len(a.log), len(b.slices), len(b.log))
	case a.grown != b.grown:
		return fmt.Sprintf("%d times a byte was found to be shared, and %d", a.grown, b.grown)
	}
	return ""
}
