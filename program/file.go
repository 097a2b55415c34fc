package program

import (
	"bytes"
	"debug/buildinfo"
	"debug/elf"
	"errors"
	"fmt"
	"strings"

	"emurace/loader"
)

// Kind says what a file is to execve.
type Kind struct {
	Arch   loader.Arch // of an ELF file
	Interp string      // the dynamic linker that it names, "" for none
	// Script is the command line of its first line, behind #!: the interpreter and at most
	// one argument. Nil for an ELF file.
	Script []string
	// Warning is why it may not run as it does on the machine, "" for nothing known.
	Warning string
}

// RefusedError is that a file cannot be run as a program.
type RefusedError struct {
	Path string
	Why  string
	Hint string // what to do instead, "" for nothing
}

// Error is the file and why.
func (e *RefusedError) Error() string { return e.Path + ": " + e.Why }

// maxScriptLine is how much of a script's first line counts: BINPRM_BUF_SIZE of
// include/uapi/linux/binfmts.h.
const maxScriptLine = 256

// KindOf looks at a file's content, of which it needs all.
func KindOf(path string, data []byte) (Kind, error) {
	refuse := func(why, hint string) (Kind, error) { return Kind{}, &RefusedError{path, why, hint} }
	switch {
	case bytes.HasPrefix(data, []byte("#!")):
		line, _, _ := bytes.Cut(data[2:min(len(data), maxScriptLine)], []byte("\n"))
		// The rest of the line is one argument (fs/binfmt_script.c).
		interp, arg, more := strings.Cut(strings.TrimSpace(string(line)), " ")
		if interp == "" {
			return refuse("its first line names no interpreter", "")
		}
		k := Kind{Script: []string{interp}}
		if arg = strings.TrimSpace(arg); more && arg != "" {
			k.Script = append(k.Script, arg)
		}
		return k, nil
	case len(data) == 0:
		return refuse("is empty", "")
	case !bytes.HasPrefix(data, []byte(elf.ELFMAG)):
		return refuse("is no program: neither an ELF file nor a script that names its interpreter", "a script runs as an argument: emurace run -- /bin/sh SCRIPT")
	}
	if len(data) > elf.EI_CLASS && elf.Class(data[elf.EI_CLASS]) == elf.ELFCLASS32 {
		return refuse("is a program of 32 bits", "build it for arm64 or x86-64")
	}
	im, err := loader.Parse(path, data)
	if err != nil {
		return Kind{}, &RefusedError{path, strings.TrimPrefix(err.Error(), path+": "), "build it for Linux on arm64 or x86-64"}
	}
	if im.Type == elf.ET_DYN && im.Interp == "" && (im.Soname != "" || im.Entry == 0) {
		return refuse("is a library, not a program", "")
	}
	k := Kind{Arch: im.Arch, Interp: im.Interp}
	if info, err := buildinfo.Read(bytes.NewReader(data)); err == nil {
		return refuse(fmt.Sprintf("is a program of Go's (%s), whose runtime sends signals to its own threads and counts on their arriving at any moment", info.GoVersion),
			"its C parts can be run in a scenario")
	}
	for _, lib := range im.Needed {
		if lib == "libjli.so" || lib == "libjvm.so" {
			k.Warning = "it is a Java virtual machine, which handles faults by signals and makes code as it runs: it may not come far"
		}
	}
	if needs := im.NeedsISA(); needs != "" {
		k.Warning = "it is built for processors with " + needs + ", which the emulated one has not: it may die of an illegal instruction"
	}
	return k, nil
}

// errNoInterp is of a script whose interpreter is a script, more than Linux follows.
var errNoInterp = errors.New("its interpreters are scripts, one behind the other")

// maxScripts is how many scripts may name each other: what fs/exec.c, exec_binprm, allows.
const maxScripts = 4
