package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"emurace/internal/files"
	"emurace/internal/guard"
)

// maxPath bounds a path, of which Linux takes 4,096 bytes.
const maxPath = 4096 + 1

// mostFolders bounds the folders whose last trace is known.
const mostFolders = 256

// Files of the user's state folder: the path of the trace that was written last, and those of the
// last traces of the folders that one was written to most lately, the latest first.
const (
	lastTraceName  = "last-trace"
	lastTracesName = "last-traces"
)

// stateFolder is the user's state folder of the XDG base directory specification.
func stateFolder() (string, error) {
	dir := os.Getenv("XDG_STATE_HOME")
	if dir == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			return "", err
		}
		dir = filepath.Join(home, ".local", "state")
	}
	return filepath.Join(dir, "emurace"), nil
}

// rememberTrace makes a trace the one that commands without an argument use. Behind
// walls, the supervisor does so in the end.
func rememberTrace(e *guard.Engine, name string) error {
	abs, err := filepath.Abs(name)
	if err != nil {
		return err
	}
	if e != nil {
		return e.Note(abs)
	}
	return keepLastTrace(abs)
}

// keepLastTrace is rememberTrace for an absolute path. The trace itself is written
// already; a home that cannot be written, as in a container, costs only this convenience.
func keepLastTrace(abs string) error {
	dir, err := stateFolder()
	if err != nil {
		return nil
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil
	}
	_ = files.Replace(filepath.Join(dir, lastTraceName), []byte(abs+"\n"))
	list := []string{abs}
	for _, known := range lastTraces(dir) {
		if filepath.Dir(known) != filepath.Dir(abs) && len(list) < mostFolders {
			list = append(list, known)
		}
	}
	_ = files.Replace(filepath.Join(dir, lastTracesName), []byte(strings.Join(list, "\n")+"\n"))
	return nil
}

// lastTraces are the last traces of folders, as far as they are known.
func lastTraces(dir string) []string {
	data, err := files.Read(filepath.Join(dir, lastTracesName), mostFolders*maxPath)
	if err != nil {
		return nil
	}
	var list []string
	for line := range strings.Lines(string(data)) {
		if line = strings.TrimSuffix(line, "\n"); filepath.IsAbs(line) && !strings.ContainsRune(line, 0) {
			list = append(list, line)
		}
	}
	return list
}

// lastTrace is the trace that was written last to the present folder, if it is still there, or else
// to any.
func lastTrace() (string, error) {
	const hint = "name a trace, or make one with emurace explore"
	dir, err := stateFolder()
	if err != nil {
		return "", environmentError(fmt.Errorf("last trace: %w", err), hint)
	}
	if here, err := os.Getwd(); err == nil {
		for _, name := range lastTraces(dir) {
			if filepath.Dir(name) == here && exists(name) {
				return name, nil
			}
		}
	}
	file := filepath.Join(dir, lastTraceName)
	b, err := files.Read(file, maxPath)
	if errors.Is(err, fs.ErrNotExist) {
		return "", environmentError(errors.New("no trace has been written yet"), hint)
	}
	name := strings.TrimSuffix(string(b), "\n")
	if err == nil && (name == "" || strings.ContainsAny(name, "\n\x00")) {
		err = errors.New("it does not hold a path")
	}
	if err != nil {
		return "", environmentError(fmt.Errorf("last trace: %s: %w", file, err), hint)
	}
	return name, nil
}
