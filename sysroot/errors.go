package sysroot

import "errors"

// The kinds of failure that a caller may want to tell apart with errors.Is.
var (
	// errMissing marks a sysroot that is not there (yet).
	errMissing = errors.New("sysroot is missing")
	// ErrInvalid marks a request that can never work as it was written: a
	// spec, an architecture or a package name that does not exist.
	ErrInvalid = errors.New("invalid request")
)

// Error is what this package returns when it knows what the user can do next.
// Its text is one line, `what: why`; Hint gives the remedy.
type Error struct {
	what  string
	why   string
	hint  string
	kind  error // errMissing, ErrInvalid or nil
	cause error // the error below, or nil
}

// Error returns `what: why`, in one line.
func (e *Error) Error() string {
	if e.why == "" && e.cause != nil {
		return e.what + ": " + e.cause.Error()
	}
	return e.what + ": " + e.why
}

// Hint returns what to do about the failure, in one line without a full stop,
// or "" when nothing is known to help.
func (e *Error) Hint() string { return e.hint }

// Unwrap gives errors.Is and errors.As the kind and the cause.
func (e *Error) Unwrap() []error {
	var errs []error
	if e.kind != nil {
		errs = append(errs, e.kind)
	}
	if e.cause != nil {
		errs = append(errs, e.cause)
	}
	return errs
}
