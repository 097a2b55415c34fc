package explore

import (
	"context"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"reflect"
	"testing"

	"emurace/emu"
	"emurace/explore/graph"
	"emurace/internal/testseed"
	"emurace/internal/thorough"
	"emurace/scenario"
)

// inPieces searches in pieces, in an order that is drawn, each read from its text as if it came from elsewhere. Some are
// searched twice, as where one who searched has not been heard of any more.
func inPieces(t *testing.T, start func() (*scenario.Session, error), first *State, o Options, r *rand.Rand) *State {
	t.Helper()
	copied := func(s *State) *State {
		b, err := json.Marshal(s)
		must(t, err)
		var c State
		must(t, json.Unmarshal(b, &c))
		return &c
	}
	list, known := []*State{first}, first
	for range 10_000 {
		// Of pieces that have learned something the first counts, once all in front of it are finished; what is behind an
		// end is of no interest.
		var open []int
		for i, s := range list {
			if !s.Knows(known) {
				if len(open) > 0 {
					break
				}
				pieces, err := copied(s).Pieces()
				must(t, err)
				list, known, open = pieces, s, []int{0}
				break
			}
			if s.Finished() && s.Ends(o) {
				list = list[:i+1]
				break
			}
			if !s.Finished() {
				open = append(open, i)
			}
		}
		if len(open) == 0 {
			all, err := Join(list)
			must(t, err)
			return copied(all)
		}
		i := open[r.IntN(len(open))]
		after, err := SearchPiece(t.Context(), start, copied(list[i]), o)
		must(t, err)
		if r.IntN(4) == 0 {
			again, err := SearchPiece(t.Context(), start, copied(list[i]), o)
			must(t, err)
			if !reflect.DeepEqual(copied(again), copied(after)) {
				t.Fatalf("a piece that is searched twice comes out as %+v and %+v", again, after)
			}
		}
		if !after.Knows(list[i]) {
			list[i] = after
			continue
		}
		pieces, err := after.Pieces()
		must(t, err)
		list = append(append(append([]*State{}, list[:i]...), pieces...), list[i+1:]...)
	}
	t.Fatal("it comes to no end")
	return nil
}

// TestPieces: a search in pieces has the result of one that is not in pieces.
func TestPieces(t *testing.T) {
	was := graphsSplit
	graphsSplit = 5
	defer func() { graphsSplit = was }()
	eachArch(t, func(t *testing.T, sys *emu.System) {
		rows := append(textbook(), published()...)
		seed := testseed.Of(t, 7)
		for i, row := range rows {
			if most := thorough.Of[uint64](8, 40); row.want < 3 || row.want > most || !inTurn(i, 8, sys.Arch) || !thorough.On() && i%3 != 1 {
				continue
			}
			t.Run(row.name, func(t *testing.T) {
				r := rand.New(rand.NewPCG(seed, uint64(i)))
				for _, keep := range []bool{true, false} {
					if !thorough.On() && keep != (i%2 == 0) {
						continue
					}
					o := Options{KeepGoing: keep, Jobs: 1, trusted: true, cutAfter: 4}
					start := row.starter(t, sys)
					compare := func(what string, first *State, search func(o Options) (*Result, error)) {
						want, err := search(o)
						must(t, err)
						resumed := o
						resumed.Resume = inPieces(t, start, first, o, r)
						got, err := search(resumed)
						must(t, err)
						if !reflect.DeepEqual(got, want) {
							t.Errorf("%s, keep going %v: in pieces %+v, else %+v", what, keep, got, want)
						}
					}
					compare("dpor", FirstDPOR(), func(o Options) (*Result, error) { return DPOR(t.Context(), start, o) })
					compare("graphs", FirstGraphs(graph.TSO), func(o Options) (*Result, error) { return Graphs(t.Context(), start, graph.TSO, o) })
				}
			})
		}
	})
}

// TestPiecesRefuse: pieces that know different things are of different searches, and a context that ends leaves a piece
// as it was.
func TestPiecesRefuse(t *testing.T) {
	a, b := FirstDPOR(), FirstDPOR()
	b.DPOR.Shared = []sharedWord{{1 << 20, 3}}
	for _, list := range [][]*State{nil, {a, b}, {a, FirstGraphs(graph.SC)}, {FirstGraphs(graph.ARM), FirstGraphs(graph.SC)}} {
		if _, err := Join(list); !errors.Is(err, ErrPieces) {
			t.Errorf("%v: %v", list, err)
		}
	}
	if _, err := (&State{Strategy: PCT, Sample: &sampleState{}}).Pieces(); !errors.Is(err, ErrPieces) {
		t.Error(err)
	}
	eachArch(t, func(t *testing.T, sys *emu.System) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		row := textbook()[0]
		if after, err := SearchPiece(ctx, row.starter(t, sys), FirstDPOR(), Options{}); err == nil || after != nil {
			t.Errorf("%v, %v", after, err)
		}
	})
}
