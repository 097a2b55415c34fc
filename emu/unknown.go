package emu

import (
	"fmt"
	"path"
	"strings"

	"emurace/internal/suggest"
	"emurace/loader"
)

// unknownSymbolError is about a name that no library of the process exports.
type unknownSymbolError struct {
	Name string
	Near []string // names that are nearly the same and are exported
	// Instead is what is exported and does the work of Name; "" for nothing known.
	Instead string
	// Library is one of libc's own that has it and that the process does not load.
	Library string
}

// Error says which name it is.
func (e *unknownSymbolError) Error() string {
	return fmt.Sprintf("no library of the process exports %q", e.Name)
}

// Hint is what to do about it, "" when there is no advice.
func (e *unknownSymbolError) Hint() string {
	switch {
	case e.Library != "":
		return fmt.Sprintf("%s is in %s, which the process does not load; with lib(%q) the scenario has it loaded", e.Name, e.Library, e.Library)
	case e.Instead != "":
		return fmt.Sprintf("this libc has %s only as code in each program, which calls %s", e.Name, e.Instead)
	case len(e.Near) > 0:
		return "there is " + strings.Join(e.Near, ", ")
	}
	return ""
}

// static are functions that glibc has only in libc_nonshared.a, of which the linker
// puts a copy into each program, and what these call. Those about files are
// exported by themselves since 2.33.
var static = map[string]string{
	"atexit": "__cxa_atexit", "at_quick_exit": "__cxa_at_quick_exit", "pthread_atfork": "__register_atfork",
	"stat": "__xstat", "lstat": "__lxstat", "fstat": "__fxstat", "fstatat": "__fxstatat", "mknod": "__xmknod", "mknodat": "__xmknodat",
	"stat64": "__xstat64", "lstat64": "__lxstat64", "fstat64": "__fxstat64", "fstatat64": "__fxstatat64",
}

// companions are the libraries that come with glibc and that programs link with by
// name. Most of what was in them is in libc itself since 2.34.
var companions = []string{"libm.so.6", "libpthread.so.0", "libdl.so.2", "librt.so.1", "libresolv.so.2", "libutil.so.1", "libanl.so.1"}

// unknown is the error of a name that none of the libraries exports.
func (p *Process) unknown(name string, mods []*Module) error {
	e := &unknownSymbolError{Name: name, Near: suggest.Names(name, exported(mods), func(s string) string { return s })}
	libc, ok := p.Libc()
	if !ok || p.sys.Libc != loader.Glibc {
		return e
	}
	if instead, ok := static[name]; ok {
		if _, ok := libc.Image.Symbol(instead); ok {
			e.Instead = instead
		}
	}
	for _, lib := range companions {
		im, err := p.sys.image(path.Join(path.Dir(libc.Path), lib))
		if err != nil {
			continue // not in this sysroot
		}
		if _, ok := im.Symbol(name); ok {
			e.Library = lib
			break
		}
	}
	return e
}
