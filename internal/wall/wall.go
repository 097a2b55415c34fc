package wall

import (
	"errors"
	"fmt"
)

// Grant is what a process can still reach behind the walls.
type Grant struct {
	// Read are files, and folders with all that is below, that may be read. What does
	// not exist is left out.
	Read []string
	// Write are folders below which regular files may also be made, written, renamed
	// within their folder and removed, and files that are no regular ones, such as pipes,
	// that may be written. What does not exist is left out.
	Write []string
	// Accept allows connections to be taken from sockets that are listened at already.
	Accept bool
}

// Standing is which walls stand, or could.
type Standing struct {
	// Landlock is the version of its interface that is used, 0 for none.
	Landlock int `json:"landlock"`
	// Seccomp tells whether system calls are refused.
	Seccomp bool `json:"seccomp"`
	// NoLandlock and NoSeccomp are why there is none, "" when there is one.
	NoLandlock string `json:"no_landlock,omitempty"`
	NoSeccomp  string `json:"no_seccomp,omitempty"`
}

// The versions of Landlock's interface since which it bounds more than files.
const (
	landlockPorts   = 4 // TCP's
	landlockSignals = 6 // to processes outside
)

// String lists the walls, as in `files by Landlock (interface 7), system calls by
// seccomp`, with the reason for each that is missing.
func (s Standing) String() string {
	files := "files not at all (" + s.NoLandlock + ")"
	switch {
	case s.Landlock >= landlockSignals:
		files = fmt.Sprintf("files, TCP and signals by Landlock (interface %d)", s.Landlock)
	case s.Landlock >= landlockPorts:
		files = fmt.Sprintf("files and TCP by Landlock (interface %d)", s.Landlock)
	case s.Landlock > 0:
		files = fmt.Sprintf("files by Landlock (interface %d)", s.Landlock)
	}
	calls := "system calls by seccomp"
	if !s.Seccomp {
		calls = "system calls not at all (" + s.NoSeccomp + ")"
	}
	return files + "; " + calls
}

// Available says which walls this kernel has, without raising them.
func Available() Standing {
	var s Standing
	s.Landlock, s.NoLandlock = landlockVersion()
	s.NoSeccomp = seccompMissing()
	s.Seccomp = s.NoSeccomp == ""
	return s
}

// Raise puts the process behind the walls that the kernel has. It is not an error that
// there is none. An error means that one which is there could not be raised; the other
// may stand then. It must not be called twice.
func Raise(g Grant) (Standing, error) {
	s := Available()
	if s.Landlock > 0 {
		if err := restrictFiles(g); err != nil {
			return s, fmt.Errorf("landlock: %w", err)
		}
	}
	if s.Seccomp {
		if err := restrictCalls(filter(g.Accept)); err != nil {
			return s, fmt.Errorf("seccomp: %w", err)
		}
	}
	return s, nil
}

var errInternal = errors.New("the filter is too long")
