package graph

import (
	"encoding/json"
	"errors"
	"math/rand/v2"
	"slices"
	"testing"

	"emurace/internal/testseed"
)

// throughFile is a graph that was written and is read again.
func throughFile(m Model) func(Program, *Graph) (*Graph, error) {
	return func(p Program, g *Graph) (*Graph, error) {
		b, err := json.Marshal(g.Outline())
		if err != nil {
			return nil, err
		}
		o := &Outline{}
		if err := json.Unmarshal(b, o); err != nil {
			return nil, err
		}
		return o.Restore(p, m)
	}
}

// TestOutlines: an exploration that is cut again and again, with all that is left written and read, comes to the
// same graphs in the same order.
func TestOutlines(t *testing.T) {
	r := rand.New(rand.NewPCG(testseed.Of(t, 0), 0))
	programs, cuts := 40, 0
	if testing.Short() {
		programs = 8
	}
	for _, kinds := range []string{"rrwws", "rwacs", "rwoo", "rwt", "rwwec", "wwrp", "rwwacsoept"} {
		for range programs {
			p := drawnScripts(r, kinds)
			for _, m := range Models() {
				whole, want, err := p.explore(m, 0, nil)
				if err != nil {
					t.Fatal(err)
				}
				through := throughFile(m)
				cut, got, err := p.exploreBy(m, r.IntN(5), nil, func(x Program, g *Graph) (*Graph, error) {
					cuts++
					return through(x, g)
				})
				if err != nil || !slices.Equal(whole.order, cut.order) || got.Blocked != want.Blocked {
					t.Errorf("%s: %+v: %d graphs, %d in pieces, %v", m, p, len(whole.order), len(cut.order), err)
				}
			}
		}
	}
	if cuts < 100 {
		t.Errorf("%d graphs were written", cuts)
	}
}

// TestRestAfterError: what is left where the program has an error begins with the graph at which it had it, so that
// an exploration that goes on from there loses none and has none twice.
func TestRestAfterError(t *testing.T) {
	r := rand.New(rand.NewPCG(testseed.Of(t, 0), 0))
	broken := errors.New("broken off")
	failed := 0
	for range 100 {
		p := drawnScripts(r, "rwwacsot")
		for _, m := range Models() {
			whole, _, err := p.explore(m, 0, nil)
			if err != nil {
				t.Fatal(err)
			}
			x := &failing{scriptRun: &scriptRun{p: p, found: map[string]int{}}, err: broken}
			roots := []*Graph{New(len(p))}
			for len(roots) > 0 {
				x.left = 1 + r.IntN(40)
				e := &Explorer{Program: x, Model: m}
				err := e.Begin(roots[0])
				if err == nil {
					err = e.Run(func() error { return nil })
				}
				if err != nil && !errors.Is(err, broken) {
					t.Fatal(err)
				}
				if err != nil {
					failed++
				}
				roots = append(e.Rest(), roots[1:]...)
			}
			if !slices.Equal(whole.order, x.order) {
				t.Errorf("%s: %+v: %d graphs, %d in pieces", m, p, len(whole.order), len(x.order))
			}
		}
	}
	if failed < 100 {
		t.Errorf("%d errors", failed)
	}
}

// failing is a program that has an error after some calls.
type failing struct {
	*scriptRun
	err  error
	left int
}

func (x *failing) fails() error {
	if x.left--; x.left == 0 {
		return x.err
	}
	return nil
}

func (x *failing) Next(g *Graph, t int, seen []Ref) (Answer, error) {
	if err := x.fails(); err != nil {
		return Answer{}, err
	}
	return x.scriptRun.Next(g, t, seen)
}

func (x *failing) Complete(g *Graph) error {
	if err := x.fails(); err != nil {
		return err
	}
	return x.scriptRun.Complete(g)
}

// messages is the program of the outlines below: a message in two cells, a reader of each, and another write.
var messages = scripts{
	{{k: 'w', cell: 0, v: 1}, {k: 'w', cell: 1, v: 1}},
	{{k: 'r', cell: 1}, {k: 'r', cell: 0}, {k: 'w', cell: 0, v: 2}},
}

// TestDamagedOutlines: what is no graph of the program is refused, and what the model does not allow.
func TestDamagedOutlines(t *testing.T) {
	const good = `{"sources":[[[],[]],[[[0,1,0]],[[0,0,0]],[]]],"run":[0,0,1,1,1],"added":[0,0,1,1,1],"co":[[[0,0,0],[1,2,0]]]}`
	for name, text := range map[string]string{
		"":                          good,
		"the start":                 `{"sources":[[],[]],"run":[],"added":[]}`,
		"a thread more":             `{"sources":[[],[],[]],"run":[],"added":[]}`,
		"no threads":                `{}`,
		"an event more":             `{"sources":[[[],[],[]],[]],"run":[0,0,0],"added":[0,0,0]}`,
		"a thread's name":           `{"sources":[[[]],[]],"run":[2],"added":[0]}`,
		"a thread's name below 0":   `{"sources":[[[]],[]],"run":[0],"added":[-1]}`,
		"no such event":             `{"sources":[[],[[[0,0,0]]]],"run":[1],"added":[1]}`,
		"no such write":             `{"sources":[[[],[]],[[[0,1,1]]]],"run":[0,0,1],"added":[0,0,1]}`,
		"another cell":              `{"sources":[[[],[]],[[[0,0,0]]]],"run":[0,0,1],"added":[0,0,1]}`,
		"it reads what comes later": `{"sources":[[[],[]],[[[0,1,0]]]],"run":[1,0,0],"added":[0,0,1]}`,
		"a source too many":         `{"sources":[[[[-1,0,0]]],[]],"run":[0],"added":[0]}`,
		"a source too few":          `{"sources":[[],[[]]],"run":[1],"added":[1]}`,
		"parts too few":             `{"sources":[[[],[]],[]],"run":[0,0],"added":[0]}`,
		"parts too many":            `{"sources":[[[],[]],[]],"run":[0,0],"added":[0,0,0]}`,
		"runs too few":              `{"sources":[[[],[]],[]],"run":[0],"added":[0,0]}`,
		"open and empty":            `{"sources":[[],[]],"open":[0],"run":[],"added":[]}`,
		"open twice":                `{"sources":[[[]],[]],"open":[0,0],"run":[0],"added":[0]}`,
		"no order":                  `{"sources":[[[],[]],[[[0,1,0]],[[0,0,0]],[]]],"run":[0,0,1,1,1],"added":[0,0,1,1,1]}`,
		"an order that knows later": `{"sources":[[[],[]],[[[0,1,0]],[[0,0,0]],[]]],"run":[0,0,1,1,1],"added":[0,0,1,1,1],"co":[[[1,2,0],[0,0,0]]]}`,
		"an order of one":           `{"sources":[[[]],[]],"run":[0],"added":[0],"co":[[[0,0,0]]]}`,
		"an order of two cells":     `{"sources":[[[],[]],[]],"run":[0,0],"added":[0,0],"co":[[[0,0,0],[0,1,0]]]}`,
		"an order with one twice":   `{"sources":[[[],[]],[]],"run":[0,0],"added":[0,0],"co":[[[0,0,0],[0,0,0]]]}`,
		"an order of what is not":   `{"sources":[[[],[]],[]],"run":[0,0],"added":[0,0],"co":[[[0,0,5],[0,1,0]]]}`,
		"a part far away":           `{"sources":[[[],[]],[[[0,1,1073741824]]]],"run":[0,0,1],"added":[0,0,1]}`,
		"the model":                 `{"sources":[[[],[]],[[[0,1,0]],[[-1,0,0]]]],"run":[0,0,1,1],"added":[0,0,1,1]}`,
	} {
		o := &Outline{}
		if err := json.Unmarshal([]byte(text), o); err != nil {
			t.Fatal(err)
		}
		g, err := o.Restore(&scriptRun{p: messages}, SC)
		if well := name == "" || name == "the start"; well != (err == nil) || err != nil && !errors.Is(err, ErrOutline) {
			t.Errorf("%s: %v", name, err)
		}
		if name == "" && g != nil && g.Size() != 5 {
			t.Errorf("%d events", g.Size())
		}
	}
	// That the reader sees the second write and not the first is allowed on ARMv8.
	o := &Outline{}
	if err := json.Unmarshal([]byte(`{"sources":[[[],[]],[[[0,1,0]],[[-1,0,0]]]],"run":[0,0,1,1],"added":[0,0,1,1]}`), o); err != nil {
		t.Fatal(err)
	}
	if _, err := o.Restore(&scriptRun{p: messages}, ARM); err != nil {
		t.Error(err)
	}
}

// FuzzOutline: what is taken for an outline is one of a graph that is the same when it is written again, and can be
// gone on with.
func FuzzOutline(f *testing.F) {
	f.Add([]byte(`{"sources":[[[],[]],[[[0,1,0]],[[0,0,0]],[]]],"run":[0,0,1,1,1],"added":[0,0,1,1,1],"co":[[[0,0,0],[1,2,0]]]}`), uint64(1))
	f.Add([]byte(`{"sources":[[[],[]],[[[0,1,0]],[[-1,0,0]]]],"run":[0,0,1,1],"added":[0,0,1,1]}`), uint64(5))
	f.Add([]byte(`{"sources":[[],[[]]],"open":[1],"run":[1],"added":[1]}`), uint64(9))
	f.Fuzz(func(t *testing.T, data []byte, seed uint64) {
		o := &Outline{}
		if json.Unmarshal(data, o) != nil {
			return
		}
		p := messages
		if seed > 0 {
			p = drawnScripts(rand.New(rand.NewPCG(seed, 0)), "rwwacsoept")
		}
		m := Models()[seed%3]
		x := &scriptRun{p: p, found: map[string]int{}}
		g, err := o.Restore(x, m)
		if err != nil {
			if !errors.Is(err, ErrOutline) {
				t.Fatal(err)
			}
			return
		}
		again, err := throughFile(m)(x, g)
		if err != nil || key(again) != key(g) || !slices.Equal(again.parts, g.parts) {
			t.Fatalf("%s is read as another graph: %v", data, err)
		}
		e := &Explorer{Program: x, Model: m}
		n := 0
		if err := e.Begin(again); err != nil {
			return
		}
		_ = e.Run(func() error {
			if n++; n > 1000 {
				return ErrStop
			}
			return nil
		})
	})
}
