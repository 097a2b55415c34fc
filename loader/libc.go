package loader

import (
	"bytes"
	"debug/elf"
	"fmt"
	"regexp"
)

// Libc is a family of C libraries: what the loader of a process must know of
// it is how its files are called.
type Libc uint8

// The families. The zero value is none in particular.
const (
	Glibc Libc = iota + 1
	Musl
)

// String returns the name, "" for none.
func (l Libc) String() string {
	switch l {
	case 0:
		return ""
	case Glibc:
		return "glibc"
	case Musl:
		return "musl"
	}
	return fmt.Sprintf("Libc(%d)", uint8(l))
}

// Interp returns the path of the family's dynamic linker for an architecture:
// what its ABI prescribes for glibc, and for musl the name that its configure
// script gives it (ldso_pathname).
func (l Libc) Interp(a Arch) string {
	if l != Musl {
		return a.Interp()
	}
	if a.platform() == "" {
		return ""
	}
	return "/lib/ld-musl-" + a.platform() + ".so.1"
}

// Soname is the name by which a program needs the library: the file's own for
// glibc. Musl's file has none; its linker knows this name to mean itself
// (ldso/dynlink.c, load_library), and it is what programs are linked with.
func (l Libc) Soname() string {
	if l == Musl {
		return "libc.so"
	}
	return "libc.so.6"
}

// muslUsage is how musl's dynamic linker begins to say what it is, when it is run
// as a program (ldso/dynlink.c, __dls3).
var muslUsage = []byte("\x00musl libc (")

// muslVersion is a version of musl's as its source has it, in __libc_version: that
// of a release, or of a commit after one (tools/version.sh).
var muslVersion = regexp.MustCompile(`^[0-9]+\.[0-9]+\.[0-9]+(-git-[0-9]+-g[0-9a-f]+)?$`)

// MuslVersion tells whether the image is musl's libc, and its version, such as
// "1.2.3", "" when the image does not tell it. Musl has no function that returns
// it, and no symbol for it. Its dynamic linker prints it, and so it is in the file
// as a string of its own: one that is a version, in read-only memory. If there
// were two of them neither would be it for certain. The file is looked through once:
// every process that starts asks.
func (im *Image) MuslVersion() (version string, musl bool) { return im.musl() }

func (im *Image) findMusl() (version string, musl bool) {
	versions := map[string]bool{}
	for _, s := range im.Load {
		if s.Flags&elf.PF_W != 0 {
			continue
		}
		data := im.data[s.Offset : s.Offset+s.Filesz]
		musl = musl || bytes.Contains(data, muslUsage)
		for part := range bytes.SplitSeq(data, []byte{0}) {
			if len(part) >= len("1.0.0") && len(part) < 64 && muslVersion.Match(part) {
				versions[string(part)] = true
			}
		}
	}
	if !musl || len(versions) != 1 {
		return "", musl
	}
	for v := range versions {
		version = v
	}
	return version, true
}

// glibcVersion is how glibc says what it is, when its libc is run as a program (banner in
// csu/version.c). Debian puts its own version before this one's.
var glibcVersion = regexp.MustCompile(`GNU C Library [^\n\x00]{0,80}? (?:release|development) version ([0-9]+\.[0-9]+(?:\.[0-9]+)?)`)

// GlibcVersion tells whether the image is glibc's libc, and its version, such as "2.36": what its
// banner says, so that nothing has to run for it.
func (im *Image) GlibcVersion() (version string, glibc bool) {
	for _, s := range im.Load {
		if s.Flags&elf.PF_W != 0 {
			continue
		}
		if m := glibcVersion.FindSubmatch(im.data[s.Offset : s.Offset+s.Filesz]); m != nil {
			return string(m[1]), true
		}
	}
	return "", false
}
