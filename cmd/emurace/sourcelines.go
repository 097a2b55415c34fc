package main

import (
	"path"
	"strings"

	"emurace/emu"
	"emurace/loader"
	"emurace/sysroot"
)

// Bounds of the source that is kept: a file of glibc has at most some 300 KB.
const (
	maxSourceFile  = 4 << 20 // bytes
	maxSourceFiles = 256
)

// sourceLines knows the lines of glibc's source where it was pulled with the sysroot.
type sourceLines struct {
	root  *loader.Sysroot
	files map[string][]string // by the path in the source; empty for what is not there
}

// openSource opens the source beside a sysroot, nil if there is none.
func openSource(sys *emu.System) *sourceLines {
	dir := sysroot.SourceDir(sys.Root.Dir())
	if dir == "" {
		return nil
	}
	root, err := loader.OpenSysroot(dir)
	if err != nil {
		return nil // there are fewer texts
	}
	return &sourceLines{root: root, files: map[string][]string{}}
}

func (s *sourceLines) close() {
	if s != nil {
		_ = s.root.Close() // it was only read
	}
}

// line is the text of a line of a file, as debug information names it: its path below glibc's
// source, with dots in it. It is "" for what is not there.
func (s *sourceLines) line(file string, number int) string {
	if s == nil || file == "" || path.IsAbs(file) {
		return ""
	}
	file = path.Clean("/" + file)
	lines, known := s.files[file]
	if !known && len(s.files) < maxSourceFiles {
		if data, err := s.root.ReadFile(file, maxSourceFile); err == nil {
			lines = strings.Split(string(data), "\n")
		}
		s.files[file] = lines
	}
	if number < 1 || number > len(lines) {
		return ""
	}
	return strings.Join(strings.Fields(lines[number-1]), " ")
}
