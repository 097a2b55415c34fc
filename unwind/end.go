package unwind

import (
	"errors"
	"fmt"
)

// Reason tells why a call stack ends.
type Reason uint8

const (
	// Outermost is the regular end: the frame's information says that it has
	// no caller (_start, the start of a thread), or its return address is 0.
	Outermost Reason = iota + 1
	// NoModule: the last frame's PC is in no module, so it is not known what
	// called it. It is the regular end where the host of the guest calls a
	// function with a return address of its own.
	NoModule
	// NoInformation: the last frame's code has no call frame information and
	// no usable chain of frame pointers.
	NoInformation
	// Unreadable: the return address is in memory that is not mapped, or
	// depends on a register that is not known.
	Unreadable
	// Broken: the call frame information is not usable.
	Broken
	// NoProgress: the next frame would be below the last or the same again.
	NoProgress
	// TooDeep: there may be more frames than were asked for.
	TooDeep
)

// String returns a short description.
func (r Reason) String() string {
	names := [...]string{"", "outermost frame", "in no module", "no call frame information",
		"unreadable", "broken call frame information", "no progress", "too deep"}
	if r == 0 || int(r) >= len(names) {
		return fmt.Sprintf("Reason(%d)", uint8(r))
	}
	return names[r]
}

// End says why a call stack ends. Err has the details for Unreadable and
// Broken.
type End struct {
	Reason Reason
	Err    error
}

// String returns the reason with its details.
func (e End) String() string {
	if e.Err != nil {
		return fmt.Sprintf("%v: %v", e.Reason, e.Err)
	}
	return e.Reason.String()
}

// endError carries a Reason through an error return.
type endError struct{ reason Reason }

func (e endError) Error() string { return e.reason.String() }

func endOf(err error) End {
	var end endError
	switch {
	case errors.As(err, &end):
		return End{Reason: end.reason}
	case errors.Is(err, errUnreadable), errors.Is(err, errRegister):
		return End{Reason: Unreadable, Err: err}
	}
	return End{Reason: Broken, Err: err}
}
