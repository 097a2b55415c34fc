package arena_test

import (
	"encoding/xml"
	"math/rand/v2"
	"strings"
	"testing"

	"emurace/emu"
	"emurace/heap/arena"
	"emurace/internal/testseed"
	"emurace/internal/testsystem"
	"emurace/scenario"
)

// info is what glibc's malloc_info prints.
type info struct {
	Heaps []struct {
		Totals []total `xml:"total"`
		System []total `xml:"system"`
	} `xml:"heap"`
	Totals []total `xml:"total"`
}

type total struct {
	Type  string `xml:"type,attr"`
	Count uint64 `xml:"count,attr"`
	Size  uint64 `xml:"size,attr"`
}

func of(list []total, kind string) total {
	for _, t := range list {
		if t.Type == kind {
			return t
		}
	}
	return total{}
}

// TestInfo: of free chunks and memory each arena has as many as glibc itself counts.
func TestInfo(t *testing.T) {
	seed := testseed.Of(t, 1)
	testsystem.EachSuite(t, suites, func(t *testing.T, _ string, sys *emu.System) {
		rnd := rand.New(rand.NewPCG(seed, 0))
		var stdout uint64
		names := []string{scenario.Main, "worker"}
		plan := &scenario.Plan{Env: settings[1], Threads: []scenario.Thread{{Name: names[0], Body: scenario.Calls{}}, {Name: names[1], Body: scenario.Calls{}}}}
		plan.Setup = func(u *scenario.Setup) error {
			var live []uint64
			for range 1000 {
				if err := (calls{large: true}).one(u, rnd, names[rnd.IntN(2)], &live); err != nil {
					return err
				}
			}
			// Small ones, some of which then are in fast bins.
			for i := range live {
				live[i] = 0
			}
			for i := range uint64(60) {
				p, err := u.Call(names[i%2], "malloc", scenario.Int(8*(i%14)))
				if err != nil {
					return err
				}
				live = append(live, p)
			}
			for _, p := range live {
				if _, err := u.Call(names[rnd.IntN(2)], "free", scenario.Int(p)); err != nil {
					return err
				}
			}
			// The first time, stdout gets its buffer.
			for range 2 {
				if _, err := u.Call(scenario.Main, "malloc_info", scenario.Int(0), scenario.Int(stdout)); err != nil {
					return err
				}
				if _, err := u.Call(scenario.Main, "fflush", scenario.Int(stdout)); err != nil {
					return err
				}
			}
			return nil
		}
		s, err := scenario.StartWith(sys, plan, 1, func(m *emu.Process) error {
			mod, _ := m.Libc()
			sym, _ := mod.Image.Symbol("stdout")
			stdout, _ = m.Read64(mod.Base + sym.Addr)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		var text strings.Builder
		for _, c := range s.Process().Output() {
			text.Write(c.Data)
		}
		_, last, _ := strings.Cut(text.String()[1:], "<malloc ")
		var said info
		if err := xml.Unmarshal([]byte("<malloc "+last), &said); err != nil {
			t.Fatal(err, text.String())
		}
		p := dead(t, s.Process(), true)
		mal := arena.Read(p)
		if len(said.Heaps) != len(mal.Arenas) || len(said.Heaps) != 2 {
			t.Fatalf("%d arenas of %d", len(mal.Arenas), len(said.Heaps))
		}
		for i, h := range said.Heaps {
			a := mal.Arenas[i]
			fast, rest := total{}, total{Count: 1, Size: a.TopSize}
			for _, l := range mal.Lists {
				if l.Arena != a {
					continue
				}
				sum := &rest
				if l.Kind == arena.InFast {
					sum = &fast
				}
				sum.Count += uint64(l.Count)
				for _, c := range chunksOf(mal, a) {
					for _, of := range c.Lists {
						if of == l {
							if sum.Size += c.Size; sum == &rest {
								sum.Size += c.Flags // which it takes for a part of the size
							}
						}
					}
				}
			}
			t.Logf("arena %d: %d fast, %d others", i, fast.Count, rest.Count)
			fast.Type, rest.Type = "fast", "rest"
			if of(h.Totals, "fast").Count != fast.Count || of(h.Totals, "fast").Size != fast.Size || of(h.Totals, "rest") != rest || of(h.System, "current").Size != a.SystemMem {
				t.Errorf("arena %d: %+v, want %+v; %+v, want %+v; %#x, want %#x", i, fast, of(h.Totals, "fast"), rest, of(h.Totals, "rest"), a.SystemMem, of(h.System, "current").Size)
			}
		}
		maps, _ := mal.Param("n_mmaps")
		if mmap := of(said.Totals, "mmap"); mmap.Count != maps {
			t.Errorf("%d blocks are mapped, want %d", maps, mmap.Count)
		}
	})
}

// chunksOf is all chunks of an arena.
func chunksOf(mal *arena.Malloc, a *arena.Arena) (list []arena.Chunk) {
	for _, h := range a.Heaps {
		mal.Chunks(h, func(c arena.Chunk) bool {
			list = append(list, c)
			return true
		})
	}
	return list
}
