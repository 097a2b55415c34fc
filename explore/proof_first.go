package explore

import (
	"context"
	"errors"
	"slices"
	"time"

	"emurace/scenario"
)

// Tried is what DPOR did before schedules were drawn; see ProofFirst.
type Tried struct {
	Schedules    uint64
	Instructions uint64
	Elapsed      time.Duration
	// Finished tells that it covered all there is, and that something, such as a system call that
	// there is not, keeps that from being a proof.
	Finished bool
}

// mostTried bounds the schedules of the try: a search of fewer runs than a part may have is one
// part, which one session searches, so that what it comes to does not depend on Jobs.
const mostTried = splitAfter - 1

// ProofFirst spends half of a budget, of o.Schedules and of o.Time, on DPOR, and of schedules mostTried at
// most. If that ends with a proof or with a failure it is the result, and proved is true. Else the rest is drawn by
// a strategy, see Sample, and Result.Tried says what was tried. So a proof that takes few
// schedules is found whatever the budget, and a search that has no end loses half of it at most.
//
// With o.Schedules alone the result does not depend on o.Jobs. With o.KeepGoing failures of a try
// that was not finished are in the result too; its Schedules counts those of the try only
// then. A state is kept of what is drawn alone. Drawing is called before that begins.
func ProofFirst(ctx context.Context, start func() (*scenario.Session, error), strategy Strategy, o Options, drawing func()) (r *Result, proved bool, err error) {
	began := time.Now()
	try := o
	try.Save, try.Time, try.Schedules, try.Preemptions = nil, o.Time/2, 0, -1
	if o.Schedules > 0 {
		if try.inAll = min(o.Schedules/2, mostTried); try.inAll == 0 {
			drawing()
			r, err := Sample(ctx, start, strategy, o)
			return r, false, err
		}
	}
	first, err := DPOR(ctx, start, try)
	if err != nil && !errors.Is(err, ErrDeep) {
		return first, true, err
	}
	if err == nil && (first.Complete || first.Failing > 0 && !o.KeepGoing) {
		return first, true, nil
	}
	tried := &Tried{Schedules: first.Schedules, Instructions: first.Instructions, Elapsed: time.Since(began), Finished: err == nil && first.Unbounded}
	rest := o
	if o.Schedules > 0 {
		rest.Schedules -= min(tried.Schedules, o.Schedules/2)
	}
	if o.Time > 0 {
		rest.Time = max(o.Time-time.Since(began), time.Millisecond)
	}
	drawing()
	r, err = Sample(ctx, start, strategy, rest)
	if r == nil {
		return nil, false, err
	}
	if first.Failing > 0 {
		o.begins(ctx) // what was watched until now has ended with its time
		both, failed := bothResults(start, first, r)
		if failed != nil {
			return r, false, errors.Join(err, failed)
		}
		r = both
	}
	for _, m := range first.Met {
		if first.Failing == 0 && !slices.ContainsFunc(r.Met, func(o Met) bool { return o.Kind == m.Kind && o.Known == m.Known }) {
			r.addMet(m)
		}
	}
	r.Tried = tried
	return r, false, err
}

// bothResults adds to what was found by a search what was found by another one after it.
func bothResults(start func() (*scenario.Session, error), first, second *Result) (*Result, error) {
	made := slices.Compact(slices.Sorted(slices.Values(slices.Concat(first.Made, second.Made))))
	known := slices.Equal(first.Made, made) && slices.Equal(second.Made, made) // by the same indices
	to, err := threadNames{made: made}, error(nil)
	if !known {
		to, err = namesWith(start, made)
	}
	if err != nil {
		return nil, err
	}
	for _, r := range []*Result{first, second} {
		if known {
			continue
		}
		from, err := namesWith(start, r.Made)
		if err != nil {
			return nil, err
		}
		r.rename(from.ScheduleNames, to.ScheduleNames)
	}
	total := tallyOf(first).result()
	total.merge(second)
	total.Preemptions, total.Made, total.Restarts = -1, to.made, first.Restarts+second.Restarts
	total.Learned, total.Aimed, total.Coverage = second.Learned, second.Aimed, second.Coverage
	total.conclude(Options{Preemptions: -1})
	return total, nil
}

// threadNames are the names of a session that knows some threads its process makes.
type threadNames struct{ ScheduleNames, made []string }

func namesWith(start func() (*scenario.Session, error), made []string) (threadNames, error) {
	s, err := start()
	if err != nil {
		return threadNames{}, err
	}
	defer s.Close()
	if err := s.SetMade(made); err != nil {
		return threadNames{}, err
	}
	return threadNames{s.ScheduleNames(), s.Made()}, nil
}
