package ordered

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"emurace/internal/testseed"
)

// item is what is to become of an item, and what has.
type item struct {
	name  string
	last  bool
	into  []*item // nil for none
	over  bool
	fails error
	pause time.Duration
	// late is set of what one worker would never come to: it waits until nobody is
	// interested any more.
	late bool

	done bool
}

// plan draws items, at most depth times in one another, down to a number.
func plan(random *rand.Rand, name string, depth int) []*item {
	items := make([]*item, random.IntN(12))
	for i := range items {
		t := &item{name: fmt.Sprintf("%s.%d", name, i), pause: time.Duration(random.IntN(60)) * time.Microsecond}
		switch n := random.IntN(24); {
		case n == 0:
			t.last = true
		case n < 4 && depth > 0:
			t.into = plan(random, t.name, depth-1)
		case n < 7:
			t.over = true
		}
		items[i] = t
	}
	return items
}

// inOrder is what one worker comes to who does the items one after the other: those that
// are done, up to the last, or to one that fails. Those behind it are late.
func inOrder(items []*item) (done []string, ended bool) {
	for _, t := range items {
		switch {
		case ended:
			t.late = true
			inOrder(t.into)
		case t.over:
			done = append(done, t.name)
		case t.into != nil:
			var below []string
			below, ended = inOrder(t.into)
			done = append(done, below...)
		case t.fails != nil:
			ended = true
		default:
			done = append(done, t.name)
			ended = t.last
		}
	}
	return done, ended
}

// watched does a plan, and looks at what must hold meanwhile.
type watched struct {
	t      *testing.T
	list   *List[*atomic.Int32, *item]
	told   []string
	failed bool         // something has, which ends all
	made   atomic.Int32 // tools
	put    atomic.Int32 // back
	strict bool         // nothing fails, so that none but late items may be broken off
}

func watch(t *testing.T, items []*item, jobs int) *watched {
	w := &watched{t: t, strict: true}
	w.list = &List[*atomic.Int32, *item]{
		Items: items,
		Jobs:  jobs,
		Take: func() (*atomic.Int32, error) {
			w.made.Add(1)
			return &atomic.Int32{}, nil
		},
		Put:  func(*atomic.Int32) { w.put.Add(1) },
		Work: w.work,
		Over: func(t *item) bool { return t.over },
		InOrder: func(t *item) {
			if !t.done && !t.over {
				w.t.Errorf("%s is told before it is done", t.name)
			}
			w.told = append(w.told, t.name)
		},
		Save: w.save,
	}
	return w
}

// save looks at the items as one does who saves them: what was told is in front.
func (w *watched) save() error {
	if w.failed {
		w.t.Error("saved after the end")
	}
	for i, name := range w.told {
		if w.list.Items[i].name != name {
			w.t.Errorf("number %d in order is %s, and was told as %s", i, w.list.Items[i].name, name)
		}
	}
	return nil
}

func (w *watched) work(ctx context.Context, tool *atomic.Int32, t *item) func() Outcome[*item] {
	if tool.Add(1) != 1 {
		w.t.Errorf("%s is done with what another one uses", t.name)
	}
	defer tool.Add(-1)
	if t.late && w.strict {
		<-ctx.Done() // or the test hangs
	} else {
		time.Sleep(t.pause)
	}
	err := ctx.Err()
	return func() Outcome[*item] {
		switch {
		case t.over || t.done:
			w.t.Errorf("%s is done twice", t.name)
		case w.strict && (err != nil || t.late):
			w.t.Errorf("%s counts, late %v, its context %v", t.name, t.late, err)
		case err != nil:
			w.failed = true
			return Outcome[*item]{Err: err}
		case t.fails != nil:
			w.failed = true
			return Outcome[*item]{Err: t.fails}
		case t.into != nil:
			return Outcome[*item]{Into: t.into}
		}
		t.done = true
		return Outcome[*item]{Last: t.last}
	}
}

func names(items []*item) []string {
	var list []string
	for _, t := range items {
		list = append(list, t.name)
	}
	return list
}

// TestAsOne: however many workers there are and however long each item takes, what is done
// is what one worker does in order. What he would not come to is broken off.
func TestAsOne(t *testing.T) {
	random := rand.New(rand.NewPCG(testseed.Of(t, 0), 0))
	rounds := 1000
	if testing.Short() {
		rounds = 200
	}
	for range rounds {
		items := plan(random, "", 3)
		want, _ := inOrder(items)
		jobs := 1 + random.IntN(8)
		w := watch(t, items, jobs)
		if err := w.list.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := names(w.list.Items); !slices.Equal(got, want) || !slices.Equal(w.told, want) {
			t.Fatalf("%d workers: %v are done and %v told, want %v", jobs, got, w.told, want)
		}
		for _, it := range w.list.Items {
			if !it.done && !it.over {
				t.Fatalf("%d workers: %s is not done", jobs, it.name)
			}
		}
		if int(w.made.Load()) > jobs || w.made.Load() != w.put.Load() {
			t.Fatalf("%d workers have taken %d tools and put %d back", jobs, w.made.Load(), w.put.Load())
		}
	}
}

// TestErrors: the error of Run is one that an item has given, and what was told until then
// is the beginning of what one worker does.
func TestErrors(t *testing.T) {
	random := rand.New(rand.NewPCG(testseed.Of(t, 0), 0))
	for range 500 {
		items := plan(random, "", 2)
		if len(items) == 0 {
			continue
		}
		failing := map[error]bool{}
		for range 1 + random.IntN(3) {
			it := items[random.IntN(len(items))]
			it.fails, it.last, it.into, it.over = errors.New(it.name), false, nil, false
			failing[it.fails] = true
		}
		want, ended := inOrder(items)
		w := watch(t, items, 1+random.IntN(8))
		w.strict = false
		err := w.list.Run(t.Context())
		if err == nil && !ended || err != nil && !failing[err] {
			t.Fatalf("error %v, of %v", err, failing)
		}
		if err != nil && len(w.told) > len(want) || !slices.Equal(w.told, want[:len(w.told)]) {
			t.Fatalf("%v are told, want the beginning of %v", w.told, want)
		}
	}
}

// endless is items of which each waits for its context.
func endless(n int) *List[int, int] {
	return &List[int, int]{
		Items: make([]int, n), Jobs: n,
		Take: func() (int, error) { return 0, nil },
		Put:  func(int) {},
		Work: func(ctx context.Context, _, _ int) func() Outcome[int] {
			<-ctx.Done()
			return func() Outcome[int] { return Outcome[int]{Err: fmt.Errorf("broken off: %w", ctx.Err())} }
		},
	}
}

// renamed is a context that ends in words of its own.
type renamed struct{ context.Context }

var errRenamed = errors.New("enough")

func (c renamed) Err() error {
	if c.Context.Err() == nil {
		return nil
	}
	return errRenamed
}

// TestEnds: whatever ends all, it ends those who work and those who wait, and it is the
// error of Run.
func TestEnds(t *testing.T) {
	broken := errors.New("broken")
	soon, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	if err := endless(3).Run(soon); err == nil || err.Error() != context.DeadlineExceeded.Error() {
		t.Errorf("a deadline: %v", err)
	}
	soon, cancel = context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	if err := endless(3).Run(renamed{soon}); !errors.Is(err, errRenamed) {
		t.Errorf("a context of its own words: %v", err)
	}
	l := endless(1)
	l.Jobs = 4
	sooner, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	if err := l.Run(sooner); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a deadline for those who wait: %v", err)
	}
	l = endless(3)
	var taken atomic.Int32
	l.Take = func() (int, error) {
		if taken.Add(1) == 2 {
			return 0, broken
		}
		return 0, nil
	}
	if err := l.Run(t.Context()); !errors.Is(err, broken) {
		t.Errorf("nothing to work with: %v", err)
	}
	l = endless(3)
	first := l.Work
	var begun atomic.Int32
	l.Work = func(ctx context.Context, s, i int) func() Outcome[int] {
		if begun.Add(1) == 3 {
			return func() Outcome[int] { return Outcome[int]{} }
		}
		return first(ctx, s, i)
	}
	l.Save = func() error { return broken }
	if err := l.Run(t.Context()); !errors.Is(err, broken) {
		t.Errorf("what cannot be saved: %v", err)
	}
	l = endless(2)
	first = l.Work
	begun.Store(0)
	l.Work = func(ctx context.Context, s, i int) func() Outcome[int] {
		if begun.Add(1) == 2 {
			l.Update(func() error { return broken })
		}
		return first(ctx, s, i)
	}
	if err := l.Run(t.Context()); !errors.Is(err, broken) {
		t.Errorf("what cannot be saved in the middle: %v", err)
	}
}

// TestWaits: a worker that finds nothing to do takes what one is replaced by that is being
// worked on.
func TestWaits(t *testing.T) {
	var together atomic.Int32
	both := make(chan struct{})
	l := &List[int, string]{
		Items: []string{"one"}, Jobs: 2,
		Take: func() (int, error) { return 0, nil },
		Put:  func(int) {},
		Work: func(_ context.Context, _ int, name string) func() Outcome[string] {
			if name == "one" {
				time.Sleep(5 * time.Millisecond)
				return func() Outcome[string] { return Outcome[string]{Into: []string{"left", "right"}} }
			}
			if together.Add(1) == 2 {
				close(both)
			}
			<-both
			return func() Outcome[string] { return Outcome[string]{} }
		},
	}
	if err := l.Run(t.Context()); err != nil || !slices.Equal(l.Items, []string{"left", "right"}) {
		t.Errorf("%v, %v", l.Items, err)
	}
	// A list is used again.
	if err := l.Run(t.Context()); err != nil || len(l.Items) != 2 {
		t.Errorf("once more: %v, %v", l.Items, err)
	}
	l.Items = nil
	if err := l.Run(t.Context()); err != nil {
		t.Errorf("nothing: %v", err)
	}
}
