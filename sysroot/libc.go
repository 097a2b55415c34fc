package sysroot

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"
)

// Libc is which C library of a sysroot a process runs on. The zero value is glibc, or
// whatever a folder has.
type Libc string

// Musl is that of Debian's package of its name.
const Musl Libc = "musl"

// abi is what the file names and ELF headers of an architecture look like.
type abi struct {
	triplet string // Debian's multiarch folder
	musl    string // the name of musl's ld.so, which is its libc too
	machine elf.Machine
}

var abis = map[string]abi{
	"arm64": {triplet: "aarch64-linux-gnu", musl: "ld-musl-aarch64.so.1", machine: elf.EM_AARCH64},
	"amd64": {triplet: "x86_64-linux-gnu", musl: "ld-musl-x86_64.so.1", machine: elf.EM_X86_64},
}

// libcPlaces lists where a libc may be below a root, in the order in which a
// Debian ld.so, then another distribution's, would look.
func libcPlaces(a abi, libc Libc) []string {
	musl := []string{"lib/" + a.musl, "usr/lib/" + a.musl}
	if libc == Musl {
		return musl
	}
	var places []string
	for _, dir := range []string{"lib/" + a.triplet, "usr/lib/" + a.triplet, "lib64", "usr/lib64", "lib", "usr/lib"} {
		places = append(places, dir+"/libc.so.6")
	}
	return append(places, musl...)
}

// checkLibc refuses a folder that holds no libc of the architecture. what is
// the subject of the error.
func checkLibc(what, dir, arch string) error {
	_, err := findLibc(what, dir, arch, "")
	return err
}

// findLibc returns the path, relative to dir, of the libc that dir holds for
// the architecture, or of that of one kind. Links are followed inside dir only.
func findLibc(what, dir, arch string, libc Libc) (string, error) {
	hint := "give a folder that holds lib/" + abis[arch].triplet + "/libc.so.6 or lib/" + abis[arch].musl + ", or --sysroot debian:bookworm"
	root, err := os.OpenRoot(dir)
	if err != nil {
		// The reason alone: what already names the folder.
		var pe *fs.PathError
		if errors.As(err, &pe) {
			err = pe.Err
		}
		return "", &Error{what: what, cause: err, hint: hint, kind: errMissing}
	}
	defer root.Close()

	foreign := ""
	for _, place := range libcPlaces(abis[arch], libc) {
		machine, err := elfMachine(root, place)
		if err != nil {
			continue // not there, or not an ELF file: look on
		}
		if machine == abis[arch].machine {
			return place, nil
		}
		foreign = fmt.Sprintf("%s is for %s, not %s", place, strings.TrimPrefix(machine.String(), "EM_"), arch)
	}
	why := "holds no libc.so.6 and no ld-musl for " + arch
	if libc == Musl {
		why = "holds no ld-musl for " + arch
	}
	if foreign != "" {
		why = foreign
	}
	return "", &Error{what: what, why: why, hint: hint, kind: errMissing}
}

// elfMachine reads the e_machine of a 64-bit little-endian ELF file: the part
// of its header (elf(5), Elf64_Ehdr) that ends at byte 20.
func elfMachine(root *os.Root, name string) (elf.Machine, error) {
	// Looked at before it is opened: opening a named pipe would block.
	info, err := root.Stat(name)
	if err != nil {
		return 0, err
	}
	if !info.Mode().IsRegular() {
		return 0, fmt.Errorf("%s: not a regular file", path.Base(name))
	}
	f, err := root.Open(name)
	if err != nil {
		return 0, err
	}
	defer func() { _ = f.Close() }() // it is only read
	var header [20]byte
	if _, err := io.ReadFull(f, header[:]); err != nil {
		return 0, err
	}
	if !bytes.HasPrefix(header[:], []byte(elf.ELFMAG)) ||
		header[elf.EI_CLASS] != byte(elf.ELFCLASS64) || header[elf.EI_DATA] != byte(elf.ELFDATA2LSB) {
		return 0, fmt.Errorf("%s: not a 64-bit little-endian ELF file", path.Base(name))
	}
	return elf.Machine(binary.LittleEndian.Uint16(header[18:])), nil
}
