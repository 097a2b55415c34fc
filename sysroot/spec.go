package sysroot

import (
	"fmt"
	"slices"
	"strings"
)

// Kind says where the files of a sysroot come from.
type Kind uint8

// The kinds of Spec. The zero value is none of them.
const (
	Debian Kind = iota + 1 // packages of a Debian suite, in the cache
	Host                   // the machine's own files
	Folder                 // a folder of the user's
)

// Spec names a sysroot apart from its architecture. Parse makes one.
type Spec struct {
	Kind  Kind
	Suite string // of Debian: the suite's code name
	Path  string // of Folder: the path as it was given
	Libc  Libc   // of Debian: which of its libcs a process runs on
}

// suite is a Debian release that Pull knows how to lay out.
type suite struct {
	name string
	libc string // the upstream version of its glibc
	// mergedUsr says that the packages ship their files below /usr only and
	// rely on /lib being a link, as they do from trixie on.
	mergedUsr bool
}

// suites is the list of supported releases, oldest first. An older one is in
// no archive that apt reaches by default.
var suites = []suite{
	{name: "bullseye", libc: "2.31"},
	{name: "bookworm", libc: "2.36"},
	{name: "trixie", libc: "2.41", mergedUsr: true},
	{name: "forky", libc: "2.43", mergedUsr: true},
}

// arches are the supported architectures, under Debian's names.
var arches = []string{"arm64", "amd64"}

// Suites returns the names of the Debian suites that can be pulled, oldest
// first.
func Suites() []string {
	names := make([]string, len(suites))
	for i, s := range suites {
		names[i] = s.name
	}
	return names
}

// Arches returns the names of the architectures that can be pulled.
func Arches() []string { return slices.Clone(arches) }

func findSuite(name string) (suite, bool) {
	i := slices.IndexFunc(suites, func(s suite) bool { return s.name == name })
	if i < 0 {
		return suite{}, false
	}
	return suites[i], true
}

// Parse reads a spec: "debian:SUITE", "debian:SUITE/musl", "host", or the path of
// a folder. A folder whose name holds a colon or is that of a suite is written
// with a slash ("./trixie"). Parse looks at no file; errors are ErrInvalid.
func Parse(spec string) (Spec, error) {
	allowed := "use debian:" + strings.Join(Suites(), ", debian:") + ", one of these with /musl behind it, host, or a folder"
	invalid := func(why, hint string) (Spec, error) {
		return Spec{}, &Error{what: fmt.Sprintf("sysroot %q", spec), why: why, hint: hint, kind: ErrInvalid}
	}
	if spec == "" {
		return invalid("the name is empty", allowed)
	}
	if strings.ContainsAny(spec, "\x00\n\r") {
		return invalid("the name holds a control character", allowed)
	}
	if spec == "host" {
		return Spec{Kind: Host}, nil
	}
	if name, ok := strings.CutPrefix(spec, "debian:"); ok {
		name, libc, chosen := strings.Cut(name, "/")
		if _, known := findSuite(name); !known {
			return invalid(fmt.Sprintf("no such Debian suite %q", name), allowed)
		}
		if chosen && libc != string(Musl) {
			return invalid(fmt.Sprintf("no such libc %q", libc), allowed)
		}
		return Spec{Kind: Debian, Suite: name, Libc: Libc(libc)}, nil
	}
	if !strings.Contains(spec, "/") {
		if _, known := findSuite(spec); known {
			return invalid("a suite is named with its distribution", "use debian:"+spec)
		}
		if strings.Contains(spec, ":") {
			return invalid("unknown source", allowed)
		}
	}
	return Spec{Kind: Folder, Path: spec}, nil
}

// String returns the text that Parse reads as this Spec.
func (s Spec) String() string {
	switch s.Kind {
	case Debian:
		if s.Libc != "" {
			return "debian:" + s.Suite + "/" + string(s.Libc)
		}
		return "debian:" + s.Suite
	case Host:
		return "host"
	case Folder:
		return s.Path
	}
	return fmt.Sprintf("Spec(%d)", uint8(s.Kind))
}

// checkArch refuses an architecture that is not one of arches.
func checkArch(arch string) error {
	if slices.Contains(arches, arch) {
		return nil
	}
	return &Error{
		what: fmt.Sprintf("architecture %q", arch),
		why:  "not supported",
		hint: "use " + strings.Join(arches, " or "),
		kind: ErrInvalid,
	}
}
