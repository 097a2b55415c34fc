package arena_test

import (
	"testing"

	"emurace/emu"
	"emurace/heap"
	"emurace/heap/arena"
	"emurace/internal/testsystem"
	"emurace/scenario"
)

// TestHeaps: an arena that has outgrown its first heap of 64 MiB has several, and all blocks in them
// are known. A call of sbrk by someone else leaves a gap in the main one, behind which nothing is certain.
func TestHeaps(t *testing.T) {
	testsystem.EachSuite(t, []string{"bookworm", "forky"}, func(t *testing.T, _ string, sys *emu.System) {
		var rec *heap.Recorder
		var behind uint64
		plan := &scenario.Plan{Threads: []scenario.Thread{{Name: scenario.Main, Body: scenario.Calls{}}, {Name: "worker", Body: scenario.Calls{}}}}
		plan.Setup = func(u *scenario.Setup) error {
			var first uint64
			for i := range 1000 {
				p, err := u.Call("worker", "malloc", scenario.Int(100_000))
				if err != nil {
					return err
				}
				if first == 0 {
					first = p
				}
				if i%10 == 9 {
					if _, err := u.Call("worker", "free", scenario.Int(p)); err != nil {
						return err
					}
				}
			}
			for _, call := range []scenario.Call{
				{Func: "malloc", Args: []scenario.Arg{scenario.Int(100)}},
				{Func: "sbrk", Args: []scenario.Arg{scenario.Int(4096)}},
				{Func: "malloc", Args: []scenario.Arg{scenario.Int(120_000)}},
				{Func: "malloc", Args: []scenario.Arg{scenario.Int(120_000)}},
			} {
				var err error
				if behind, err = u.Make(scenario.Main, call); err != nil {
					return err
				}
			}
			return nil
		}
		s, err := scenario.StartWith(sys, plan, 1, func(m *emu.Process) (err error) {
			rec, err = heap.NewRecorder(m)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		mal := arena.Read(dead(t, s.Process(), true))
		if len(mal.Arenas) != 2 || len(mal.Arenas[1].Heaps) != 2 {
			t.Fatalf("%+v, %v", mal.Arenas[1], mal.Problems)
		}
		compare(t, s.Process(), rec.History(s.Libc().Version), mal, false)
		for _, a := range mal.Arenas[1:] {
			end := 0
			for _, c := range chunksOf(mal, a) {
				if c.State == arena.InUse && !c.Certain || c.State == arena.Damaged {
					t.Errorf("%+v", c)
				}
				if c.State == arena.Internal && c.Cache == nil {
					end++
				}
			}
			if end != 1 {
				t.Errorf("%d heaps have an end", end)
			}
		}
		c, ok := mal.At(behind)
		if !ok || c.State != arena.InUse || c.Addr != behind-16 {
			t.Errorf("behind the gap is %+v, %v; %+v", c, ok, mal.Problems)
		}
	})
}

// TestOwners: a block belongs to the threads that take from its arena, and to none that is there when the one
// that did has ended.
func TestOwners(t *testing.T) {
	testsystem.EachSuite(t, suites, func(t *testing.T, _ string, sys *emu.System) {
		var handle, routine, mine uint64
		var rec *heap.Recorder
		made := func(results []uint64) (scenario.Call, bool, error) {
			return scenario.Call{Func: "pthread_create", Args: []scenario.Arg{scenario.Int(handle), scenario.Int(0), scenario.Int(routine), scenario.Int(200)}}, len(results) == 0, nil
		}
		plan := &scenario.Plan{
			Setup: func(u *scenario.Setup) (err error) {
				if handle, err = u.Alloc(8); err != nil {
					return err
				}
				if routine, err = u.Lookup("malloc"); err != nil {
					return err
				}
				mine, err = u.Call("worker", "malloc", scenario.Int(50))
				return err
			},
			Threads: []scenario.Thread{{Name: scenario.Main, Body: body(made)}, {Name: "worker", Body: scenario.Calls{}}},
		}
		s, err := scenario.StartWith(sys, plan, 1, func(m *emu.Process) (err error) {
			rec, err = heap.NewRecorder(m)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		for _, step := range []func() error{
			func() error { return s.Play(scenario.Schedule{{Thread: 0}}) },
			func() error { return s.SetMade([]string{"main.1"}) }, s.Restart,
			func() error { return s.Play(scenario.Schedule{{Thread: 0}, {Thread: 2}}) },
		} {
			if err := step(); err != nil {
				t.Fatal(err)
			}
		}
		var left *heap.Block
		for _, b := range rec.History(s.Libc().Version).Blocks() {
			if b.Size == 200 && b.Allocated != nil && b.Freed == nil {
				left = b
			}
		}
		if left == nil {
			t.Fatal("the thread has no block")
		}
		p := dead(t, s.Process(), true)
		if len(p.Threads) != 2 {
			t.Fatalf("%d threads live", len(p.Threads))
		}
		mal := arena.Read(p)
		o, ok := mal.Owners(left.Addr)
		if !ok || !o.Certain || len(o.Threads) != 0 || o.Others != 0 {
			t.Errorf("of the block left: %+v, %v; %v", o, ok, mal.Problems)
		}
		o, ok = mal.Owners(mine)
		if !ok || !o.Certain || len(o.Threads) != 1 || mal.Threads[o.Threads[0]].ID != p.Threads[1].ID || o.Others != 0 {
			t.Errorf("of the worker's block: %+v, %v; %v", o, ok, mal.Problems)
		}
		if o, ok := mal.Owners(handle); ok {
			t.Errorf("of no block: %+v", o)
		}
	})
}

// body is a Body that is a function.
type body func(results []uint64) (scenario.Call, bool, error)

func (b body) Next(results []uint64) (scenario.Call, bool, error) { return b(results) }
