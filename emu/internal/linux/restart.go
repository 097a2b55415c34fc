package linux

// How a call ends whose wait a signal has ended.

// restartable are the calls that a handler with SA_RESTART has made anew, signal(7), if they
// wait for no longer than some time.
var restartable = map[string]bool{
	"read": true, "readv": true, "write": true, "writev": true, "recvfrom": true, "recvmsg": true, "sendto": true, "sendmsg": true,
	"sendmmsg": true, "connect": true, "accept": true, "accept4": true, "futex": true,
}

// interrupted is the end of a call whose wait a signal has ended: with what it has done, with
// EINTR, or so that it is made anew. Where the signal is gone, as somebody has had it ignored, it
// is made anew too.
func (k *Kernel) interrupted(c *Call, name string, r *Result) error {
	s := k.signals(r)
	left := s.ended()
	ready := s.pending(false) &^ s.mask()
	anew := ready == 0
	if ready != 0 {
		h, _ := s.handler(int(lowest(ready)))
		anew = restartable[name] && h.flags()&restarts != 0 && !left.OfTime && left.Until == 0 && left.Done == 0
	}
	if anew { // what is left of it is still to be done
		left.Interrupted = false
		s.goOn(left)
		return k.Threads.Again(c.Thread)
	}
	if err := k.timeLeft(c, name, r, left.Until); err != nil {
		return err
	}
	r.Value = negated(EINTR)
	if left.Done > 0 {
		r.Value = left.Done
	}
	return k.Threads.SetResult(c.Thread, r.Value)
}

// timeLeft tells who was to sleep for some time how much of that is left.
func (k *Kernel) timeLeft(c *Call, name string, r *Result, until uint64) error {
	const absolute = 1
	at := uint64(0)
	switch {
	case name == "nanosleep":
		at = c.Args[1]
	case name == "clock_nanosleep" && c.Args[1]&absolute == 0:
		at = c.Args[3]
	}
	if at == 0 {
		return nil
	}
	now := k.clock(r).now()
	left := until - min(until, now)
	_, err := k.put(r, at, twoWords(left/second, left%second))
	return err
}
