package scenario

import (
	"emurace/emu"
	"emurace/loader"
)

// act is what a thread does to the word.
type act uint8

const (
	actOther act = iota // something else, that others could see, or nothing at all
	actLook             // reads it, or tries to change it and fails
	actMark             // changes it from one value that is not 0 to another one
	actTake             // from 0
	actFree             // to 0
	actWait             // waits for it
	actWake             // wakes who waits for it

	// actLearn, which is tried out only, is to take a word that may be a lock.
	actLearn
)

// act runs the thread up to and over the next that it does and others can see.
func (x *trial) act() (act, error) {
	s := x.s
	stop, err := s.m.Run(x.thread, tailLimit)
	if err != nil {
		return actOther, err
	}
	if stop.Kind == emu.Waits {
		if addr, ok := s.m.WaitsForever(x.thread); ok && addr == x.word {
			return actWait, nil
		}
		return actOther, nil
	}
	if stop.Kind != emu.Budget || !stop.Event || len(stop.Counted) > 0 {
		return actOther, nil
	}
	if len(stop.Objects) > 0 {
		o := stop.Objects[0]
		if len(stop.Objects) == 1 && o.Class == emu.ObjectFutex && o.ID == x.word && x.wakes() {
			return actWake, nil
		}
		return actOther, nil
	}
	return x.access(), nil
}

// wakes tells whether the system call that has just been made was to wake at least
// one thread.
func (x *trial) wakes() bool {
	name := "x2"
	if x.s.m.Arch() == loader.AMD64 {
		name = "rdx"
	}
	n, ok := x.s.m.Register(x.thread, name)
	return ok && int32(n) > 0
}

// access says what the last instruction did to the word.
func (x *trial) access() act {
	s := x.s
	kind := actOther
	var read, write *emu.LogEntry
	for a := range s.m.Log().Of(s.m.Steps()).Backward() {
		switch {
		case int(a.Thread) != x.thread:
			continue
		case a.Addr != x.word || a.Size != 4 || a.Kind == emu.LogKernel:
			return actOther
		case a.Kind == emu.LogRead:
			read = &a
		default:
			write = &a
		}
	}
	switch {
	case write == nil && read != nil:
		kind = actLook
	case write == nil:
	case uint32(write.Value) == 0 && uint32(write.Old) != 0:
		kind = actFree
	case read == nil:
	case write.Value == write.Old:
		kind = actLook
	case uint32(write.Old) == 0:
		kind = actTake
	default:
		kind = actMark
	}
	return kind
}
