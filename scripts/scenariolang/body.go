package scenariolang

import (
	"encoding/binary"
	"errors"

	"go.starlark.net/starlark"

	"emurace/scenario"
	"emurace/scripts/sandbox"
)

// body is a racing thread: its function, run from the beginning each time with the
// results so far, up to the call for which there is none yet.
type body struct {
	*process
	name string
	fn   *starlark.Function
	// known is what was found out before, by the bytes of the results: after a
	// rewind the same is asked again.
	known map[string]step
}

// step is what a thread does after some results.
type step struct {
	call scenario.Call
	more bool
	err  error
	// classes are those of the results that it was given.
	classes []scenario.Class
	// value is what the function has returned, when there is no more.
	value starlark.Value
	// Where again is set, the function was in the same state after this many results.
	same  int
	again bool
}

// maxKnown bounds what a body remembers.
const maxKnown = 1 << 12

// errPending breaks a thread's function off at the call for which there is no
// result yet. A script cannot catch it.
var errPending = errors.New("the call has not returned yet")

// Next is the call after the given results.
func (b *body) Next(results []uint64) (scenario.Call, bool, error) {
	s := b.after(results)
	return s.call, s.more, s.err
}

// Same is after how many of the results the function was last in the state in which it is
// after all of them: it goes on alike if what it is given is alike.
func (b *body) Same(results []uint64) (n int, ok bool) {
	s := b.after(results)
	return s.same, s.again
}

func (b *body) after(results []uint64) step {
	key := make([]byte, 0, 64)
	for _, r := range results {
		key = binary.LittleEndian.AppendUint64(key, r)
	}
	if s, ok := b.known[string(key)]; ok {
		return s
	}
	s := b.run(results)
	if b.known == nil || len(b.known) >= maxKnown {
		b.known = map[string]step{}
	}
	b.known[string(key)] = s
	return s
}

func (b *body) run(results []uint64) step {
	t := &racer{process: b.process, name: b.name, results: results}
	host, rounds := b.process.host, &sandbox.Rounds{Given: func() int { return t.used }}
	host.Rounds = rounds
	v, err := b.process.callOn(host, b.fn, t)
	t.over = true // a script can keep t in what it returns
	s := step{classes: append(t.classes, make([]scenario.Class, len(results)-len(t.classes))...)}
	switch {
	case t.endless:
		s.err = scenario.ErrEndless
	case t.pending != nil:
		s.call, s.more = *t.pending, true
		s.same, s.again = rounds.Same()
	case err != nil:
		s.err = failed(err)
	default:
		s.value, s.err = v, b.freeze(b.fn, v)
	}
	return s
}

// failed makes a failure of the run of a script's own fail.
func failed(err error) error {
	var f *sandbox.Failure
	if errors.As(err, &f) {
		return &scenario.Failure{Message: sandbox.Printable(f.Msg)}
	}
	return err
}
