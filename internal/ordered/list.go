package ordered

import (
	"context"
	"errors"
	"slices"
	"sync"
)

// List is items in an order, and how to do them. Its workers take the first item that
// nobody has; what is done counts in the order of the list, whoever is faster.
//
// The functions are set before Run. All but Take, Put and Work are called under one lock,
// so that what they change of items can be read by the others.
type List[S, T any] struct {
	// Items are what Run works through. It puts others in the place of one, and cuts off
	// those that come after the last one of interest.
	Items []T
	// Jobs is how many workers there are; at least one.
	Jobs int
	// Take gets what a worker works with, before its first item. Its error ends all.
	Take func() (S, error)
	// Put takes it back.
	Put func(S)
	// Work does an item. What it returns is called under the lock to keep the result,
	// and says what has become of the item, unless the item is of no interest any more.
	// The context ends with Run's, when all is to end, and when the item is of no interest.
	Work func(context.Context, S, T) func() Outcome[T]
	// Over, if set, tells of an item that nothing is left to be done about it, when it
	// comes into the list.
	Over func(T) bool
	// InOrder, if set, is called for each item that is done or over once all in front of
	// it are, in their order.
	InOrder func(T)
	// Save, if set, is called after each item, with all that has become of it. Its error
	// ends all.
	Save func() error

	mu     sync.Mutex
	wake   sync.Cond // some work has ended
	tasks  []*task[T]
	next   int // all tasks before are taken or done
	told   int // all tasks before are done, and InOrder knows
	busy   int // tasks of interest that are being worked on
	parent context.Context
	ctx    context.Context
	cancel context.CancelFunc
	err    error // why all is to end
}

// Outcome is what has become of an item: it is done, unless Into or Err says something else.
type Outcome[T any] struct {
	// Last tells that the items behind it are of no interest any more. Those in front of
	// it are done all the same, so that the first such item is the same whoever is faster.
	Last bool
	// Into, unless nil, are the items that are to be done in its place.
	Into []T
	// Err is why all is to end. Of several, the first that is given is Run's.
	Err error
}

// task is an item while Run is at it.
type task[T any] struct {
	item          T
	by            *worker // who has it or has had it, nil for nobody yet
	done, dropped bool
}

// worker is who works. Its context is made anew after an item that was dropped, and not
// for each item, of which there can be many in a second.
type worker struct {
	ctx    context.Context
	cancel context.CancelFunc
}

// Run does the items. Its error is the first that an outcome, Take or Save has given; one
// that says that the context has ended is given in the context's own words.
func (l *List[S, T]) Run(ctx context.Context) error {
	l.parent = ctx
	l.ctx, l.cancel = context.WithCancel(ctx)
	defer l.cancel()
	l.wake.L = &l.mu
	l.tasks, l.next, l.told, l.busy, l.err = l.tasksOf(l.Items), 0, 0, 0, nil
	l.tellInOrder()
	var wg sync.WaitGroup
	for range max(l.Jobs, 1) {
		wg.Go(l.work)
	}
	wg.Wait()
	return l.err
}

func (l *List[S, T]) tasksOf(items []T) []*task[T] {
	tasks := make([]*task[T], len(items))
	for i, item := range items {
		tasks[i] = &task[T]{item: item, done: l.Over != nil && l.Over(item)}
	}
	return tasks
}

// Update calls f under the lock, in the middle of work, unless all is to end. Its error
// ends all.
func (l *List[S, T]) Update(f func() error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err != nil {
		return
	}
	if err := f(); err != nil {
		l.end(err)
	}
}

// work does items until none is left.
func (l *List[S, T]) work() {
	var (
		w     worker
		s     S
		ready bool
		note  func() Outcome[T]
	)
	for t := l.swap(&w, nil, nil); t != nil; t = l.swap(&w, t, note) {
		if !ready {
			var err error
			if s, err = l.Take(); err != nil {
				note = func() Outcome[T] { return Outcome[T]{Err: err} }
				continue
			}
			ready = true
			defer l.Put(s)
		}
		note = l.Work(w.ctx, s, t.item)
	}
}

// swap gives back a task, unless it is nil, and hands out the first that nobody has. It
// waits while there is none and one that is being worked on may be replaced by several;
// nil says that nothing is left.
func (l *List[S, T]) swap(w *worker, t *task[T], note func() Outcome[T]) *task[T] {
	l.mu.Lock()
	defer l.mu.Unlock()
	if t != nil && !t.dropped {
		l.finish(t, note())
		l.wake.Broadcast()
	}
	for {
		for l.next < len(l.tasks) && (l.tasks[l.next].by != nil || l.tasks[l.next].done) {
			l.next++
		}
		switch {
		case l.err != nil || l.next == len(l.tasks) && l.busy == 0:
			return nil
		case l.next == len(l.tasks):
			l.wake.Wait()
			continue
		}
		if w.ctx == nil || w.ctx.Err() != nil {
			w.ctx, w.cancel = context.WithCancel(l.ctx)
		}
		t := l.tasks[l.next]
		t.by = w
		l.busy++
		return t
	}
}

// finish takes in what has become of a task.
func (l *List[S, T]) finish(t *task[T], o Outcome[T]) {
	l.busy--
	switch {
	case o.Err != nil:
		l.end(o.Err)
	case o.Into != nil:
		i := slices.Index(l.tasks, t)
		l.Items = slices.Replace(l.Items, i, i+1, o.Into...)
		l.tasks = slices.Replace(l.tasks, i, i+1, l.tasksOf(o.Into)...)
		l.next = min(l.next, i)
		l.tellInOrder()
	default:
		t.done = true
		if o.Last {
			l.cut(slices.Index(l.tasks, t) + 1)
		}
		l.tellInOrder()
	}
	if l.err == nil && l.Save != nil {
		if err := l.Save(); err != nil {
			l.end(err)
		}
	}
}

// cut drops the tasks from number n on, also those that are being worked on.
func (l *List[S, T]) cut(n int) {
	for _, t := range l.tasks[n:] {
		t.dropped = true
		if t.by != nil && !t.done {
			t.by.cancel()
			l.busy--
		}
	}
	l.Items, l.tasks = l.Items[:n], l.tasks[:n]
	l.next = min(l.next, n)
}

// tellInOrder tells of the items up to the first that is not done.
func (l *List[S, T]) tellInOrder() {
	for ; l.told < len(l.tasks) && l.tasks[l.told].done; l.told++ {
		if l.InOrder != nil {
			l.InOrder(l.Items[l.told])
		}
	}
}

// end makes all workers stop, for the first reason given. A context that is made of
// another one may end in other words than that does.
func (l *List[S, T]) end(err error) {
	if l.err != nil {
		return
	}
	if ended := l.parent.Err(); ended != nil && (errors.Is(err, ended) || errors.Is(err, l.ctx.Err())) {
		err = ended
	}
	l.err = err
	l.cancel()
}
