package emu

import (
	"bytes"
	"fmt"
	"strings"
)

// MissingLibrary is the error of New, and of [Process.MissingLibrary], when the guest's dynamic
// linker has not found a library, one that was asked for or one that such a one needs.
type MissingLibrary struct {
	Library string // as it was looked for: a name, or a path
	Said    string // the dynamic linker's words
}

// Error names the library.
func (e *MissingLibrary) Error() string {
	return fmt.Sprintf("library %q is not there; the dynamic linker said: %q", e.Library, e.Said)
}

// missingLibrary looks for a complaint of the dynamic linker in what the process
// printed, nil when there is none. What is in the output is the guest's own: only
// the form of the line makes it a complaint. It is glibc's, of _dl_signal_error and
// fatal_error in elf/dl-catch.c, about open_path's ENOENT:
//
//	PROGRAM: error while loading shared libraries: NAME: cannot open shared object file: ...
//
// or musl's, of load_deps in ldso/dynlink.c:
//
//	Error loading shared library NAME: No such file or directory (needed by PROGRAM)
func missingLibrary(output []byte) *MissingLibrary {
	const loading, why = ": error while loading shared libraries: ", ": cannot open shared object file"
	const muslLoading, muslWhy = "Error loading shared library ", ": No such file or directory (needed by "
	for line := range bytes.Lines(output) {
		text := strings.TrimSpace(string(line))
		_, rest, found := strings.Cut(text, loading)
		if name, _, is := strings.Cut(rest, why); found && is {
			return &MissingLibrary{Library: name, Said: text}
		}
		rest, found = strings.CutPrefix(text, muslLoading)
		if name, _, is := strings.Cut(rest, muslWhy); found && is {
			return &MissingLibrary{Library: name, Said: text}
		}
	}
	return nil
}

// MissingLibrary tells whether the process has ended because its dynamic linker has not found
// a library: it has exited with status 127 from the dynamic linker's own code, and has said
// so in what it has printed. It is nil when it has not.
func (p *Process) MissingLibrary(printed []byte) *MissingLibrary {
	const status = 127
	end := p.End()
	if end == nil || end.Kind != EndExit || end.Code != status {
		return nil
	}
	if mod, ok := p.Module(end.PC); !ok || !p.isLinker(mod) {
		return nil
	}
	return missingLibrary(printed)
}
