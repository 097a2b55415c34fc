package scenario

import (
	"errors"
	"slices"

	"emurace/emu"
)

// advance gives an idle thread its next call, or marks it done.
func (s *Session) advance(i int) error {
	r := &s.threads[i]
	for {
		s.asks()
		call, more, err := r.body.Next(r.results)
		switch {
		case errors.Is(err, ErrEndless):
			s.endless = i + 1
			return nil
		case err != nil:
			s.failer = i + 1
			return s.fault(i, err)
		case !more:
			s.leave(i)
			return nil
		case call.Place == nil:
			return s.begin(i, call)
		}
		addr, err := r.texts.place(s.m, r.machine, call.Place)
		if err != nil {
			return &CallError{Call: call, Thread: s.threads[i].name, Err: err}
		}
		r.results = append(slices.Clip(r.results), addr)
	}
}

func (s *Session) begin(i int, call Call) error {
	s.threads[i].visits = nil // it gets further
	fn, args, err := s.prepare(i, call)
	if err != nil {
		return &CallError{Call: call, Thread: s.threads[i].name, Err: err}
	}
	s.threads[i].call = call
	if err := s.m.BeginWith(s.threads[i].machine, fn, call.String(), args); err != nil {
		return err
	}
	s.threads[i].begins = append(slices.Clip(s.threads[i].begins), s.m.Steps())
	return s.loops(i)
}

// prepare finds the function and places the strings.
func (s *Session) prepare(i int, call Call) (fn uint64, args []emu.Arg, err error) {
	r := &s.threads[i]
	fn = call.Addr
	if fn == 0 {
		fn = s.fns[call.Func]
	}
	if fn == 0 {
		if fn, err = s.m.Lookup(call.Func); err != nil {
			return 0, nil, err
		}
		s.fns[call.Func] = fn
	}
	for _, a := range call.Args {
		v := a.Value
		if a.IsStr {
			if v, err = r.texts.place(s.m, r.machine, append([]byte(a.Text), 0)); err != nil {
				return 0, nil, err
			}
		}
		args = append(args, emu.Arg{Value: v, Float: a.Class != Word})
	}
	return fn, args, nil
}
