package arena_test

import (
	"math/rand/v2"
	"testing"

	"emurace/emu"
	"emurace/heap"
	"emurace/heap/arena"
	"emurace/internal/testseed"
	"emurace/internal/testsystem"
	"emurace/scenario"
)

// allocating is a thread that makes calls of malloc and frees some of what it was given.
type allocating struct{ seed uint64 }

func (a allocating) Next(results []uint64) (scenario.Call, bool, error) {
	i := len(results)
	rnd := rand.New(rand.NewPCG(a.seed, uint64(i)))
	call := scenario.Call{Func: "malloc", Args: []scenario.Arg{scenario.Int(rnd.Uint64N(1 << (5 + rnd.UintN(7))))}}
	if i%3 == 2 {
		call = scenario.Call{Func: "free", Args: []scenario.Arg{scenario.Int(results[i-1-i/3%2])}}
	}
	return call, i < 300, nil
}

// TestMidway: a process may die at any instruction, with threads inside malloc and free. Of blocks that no
// call is at work on, what is certain is right.
func TestMidway(t *testing.T) {
	seed := testseed.Of(t, 1)
	rounds := 20
	if testing.Short() {
		rounds = 5
	}
	for _, env := range settings {
		testsystem.EachSuite(t, []string{"bookworm", "bullseye", "forky"}, func(t *testing.T, _ string, sys *emu.System) {
			plan := &scenario.Plan{Env: env, Threads: []scenario.Thread{
				{Name: scenario.Main, Body: allocating{seed}}, {Name: "worker", Body: allocating{seed + 1}},
			}}
			var rec *heap.Recorder
			s, err := scenario.StartWith(sys, plan, 1, func(m *emu.Process) (err error) {
				rec, err = heap.NewRecorder(m)
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			rnd, image := rand.New(rand.NewPCG(seed, 2)), libc(t, sys, s.Process(), false)
			sure, all, inside, wrong := 0, 0, 0, 0
			for range rounds {
				for i := range 2 {
					if _, over := s.Outcome(); over {
						break
					}
					// It may run fewer: when it comes to its end, or waits for the lock.
					_ = s.Play(scenario.Schedule{{Thread: i, N: 1 + rnd.Uint64N(1500)}})
				}
				p := dead(t, s.Process(), true)
				p.Libc.Image = image
				mal := arena.Read(p)
				h := rec.History(s.Libc().Version)
				open := 0
				for _, c := range h.Calls() {
					if c.Done == 0 {
						open++
					}
				}
				if open > 0 {
					inside++
				}
				for _, b := range h.Blocks() {
					if b.Freed != nil {
						continue
					}
					all++
					c, ok := mal.At(b.Addr)
					if !ok || !c.Certain {
						continue
					}
					sure++
					if c.State != arena.InUse && c.State != arena.Mmapped || c.Size != b.ChunkSize {
						if wrong++; wrong < 4 {
							t.Errorf("block %#x of %#x is %+v; %+v", b.Addr, b.ChunkSize, c, mal.Problems)
						}
					}
				}
				last := map[uint64]*heap.Block{}
				for _, b := range h.Blocks() {
					last[b.Addr] = b
				}
				strange := 0
				for _, b := range last {
					if b.Freed == nil || b.Freed.Done == 0 {
						continue
					}
					c, ok := mal.At(b.Addr)
					if ok && c.Certain && c.State == arena.InUse && c.Addr == b.Addr-16 {
						strange++
					}
				}
				// A call at work may just have taken one for itself.
				if strange > open {
					t.Errorf("%d chunks seem in use that were freed, with %d calls at work; locked: %v", strange, open, mal.Arenas[0].Locked)
				}
			}
			t.Logf("%d of %d blocks are certain, %d wrong; %d of %d times a thread was inside", sure, all, wrong, inside, rounds)
		})
	}
}
