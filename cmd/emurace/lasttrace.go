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

// maxPath bounds what is read of the file that names the last trace: it holds one path,
// of which Linux takes 4,096 bytes.
const maxPath = 4096 + 1

// lastTraceFile is where the path of the last trace is kept: in the user's
// state folder of the XDG base directory specification.
func lastTraceFile() (string, error) {
	dir := os.Getenv("XDG_STATE_HOME")
	if dir == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			return "", err
		}
		dir = filepath.Join(home, ".local", "state")
	}
	return filepath.Join(dir, "emurace", "last-trace"), nil
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
	file, err := lastTraceFile()
	if err != nil {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return nil
	}
	_ = files.Replace(file, []byte(abs+"\n"))
	return nil
}

// lastTrace is the trace that was written last.
func lastTrace() (string, error) {
	const hint = "name a trace, or make one with emurace explore"
	file, err := lastTraceFile()
	if err != nil {
		return "", environmentError(fmt.Errorf("last trace: %w", err), hint)
	}
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
