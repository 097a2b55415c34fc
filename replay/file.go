package replay

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

var errFolder = errors.New("it is a folder")

// temporary is what a file is called until it is complete.
const temporary = ".emurace-*.tmp"

// Write stores the trace in a file; see Save.
func (t *Trace) Write(name string) error {
	return Save(name, func(f *os.File) error { return t.Encode(f) })
}

// Save stores a file, completely or not at all: what was there before stays until
// all that write has written can take its place. What is no regular file, such as a
// pipe or /dev/null, is written as it is. Its errors name the file.
func Save(name string, write func(*os.File) error) error {
	if err := save(name, write); err != nil {
		return fmt.Errorf("%s: %w", name, bare(err))
	}
	return nil
}

func save(name string, write func(*os.File) error) error {
	// A link stays a link; the file that it leads to is replaced.
	if real, err := filepath.EvalSymlinks(name); err == nil {
		name = real
	}
	if info, err := os.Stat(name); err == nil && info.IsDir() {
		return errFolder
	} else if err == nil && !info.Mode().IsRegular() {
		f, err := os.OpenFile(name, os.O_WRONLY, 0)
		if err != nil {
			return err
		}
		return errors.Join(write(f), f.Close())
	}
	return replace(name, write)
}

// CheckWritable tells early what would keep Write from writing a file of the
// name, short of a full disk. It leaves nothing behind.
func CheckWritable(name string) error {
	if err := checkWritable(name); err != nil {
		return fmt.Errorf("%s: %w", name, bare(err))
	}
	return nil
}

func checkWritable(name string) error {
	if real, err := filepath.EvalSymlinks(name); err == nil {
		name = real
	}
	if info, err := os.Stat(name); err == nil && !info.Mode().IsRegular() {
		if info.IsDir() {
			return errFolder
		}
		return nil // a pipe is not to be opened twice
	}
	f, err := os.CreateTemp(filepath.Dir(name), temporary)
	if err != nil {
		return err
	}
	return errors.Join(f.Close(), os.Remove(f.Name()))
}

// replace writes a file beside the one that it then replaces.
func replace(name string, write func(*os.File) error) error {
	f, err := os.CreateTemp(filepath.Dir(name), temporary)
	if err != nil {
		return err
	}
	err = write(f)
	if err == nil {
		err = f.Chmod(0o644)
	}
	if err == nil {
		err = f.Sync()
	}
	// The first error is the one to report.
	if closed := f.Close(); err == nil {
		err = closed
	}
	if err == nil {
		err = os.Rename(f.Name(), name)
	}
	if err != nil {
		_ = os.Remove(f.Name())
	}
	return err
}

// bare is an error of the file system without the name of the file, which may
// be one that the user has never heard of.
func bare(err error) error {
	var path *fs.PathError
	var link *os.LinkError
	switch {
	case errors.As(err, &path):
		return path.Err
	case errors.As(err, &link):
		return link.Err
	}
	return err
}

// Read reads a trace file. Its errors name the file.
func Read(name string) (*Trace, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, bare(err))
	}
	defer f.Close()
	t, err := Decode(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, bare(err))
	}
	return t, nil
}
