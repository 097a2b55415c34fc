package core

import (
	"path/filepath"
	"strings"

	"emurace/internal/shell"
)

// GDBCommand is a command for a shell that opens a core in gdb. The sysroot is the
// folder that the process's libraries are from, where gdb then finds them and their
// separate debug files; source is the folder with
// its C library's source, "" for none, and libraries are folders with those that are in no sysroot. Without
// the program's file gdb is told what it would learn from that.
func GDBCommand(sysroot, source, program, file string, libraries ...string) string {
	words := []string{"gdb-multiarch",
		// Read before the core: it is when that is opened that libraries are looked for.
		"-iex", "set sysroot " + sysroot,
		"-iex", "set debug-file-directory " + filepath.Join(sysroot, "usr/lib/debug"),
	}
	if source != "" {
		words = append(words, "-iex", "directory "+source)
	}
	if len(libraries) > 0 {
		words = append(words, "-iex", "set solib-search-path "+strings.Join(libraries, ":"))
	}
	if program == "" {
		words = append(words, "-iex", "set osabi GNU/Linux", "-c", file, "-ex", "sharedlibrary")
	} else {
		words = append(words, fileWord(program), fileWord(file))
	}
	return shell.Line(words...)
}

// fileWord keeps a file's name from being taken for an option.
func fileWord(name string) string {
	if strings.HasPrefix(name, "-") {
		return "./" + name
	}
	return name
}
