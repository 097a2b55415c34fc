package replay

import (
	"bytes"
	"errors"
	"fmt"
	"os"

	"emurace/internal/files"
)

// Write stores the trace in a file; see Save.
func (t *Trace) Write(name string) error {
	return Save(name, func(f *os.File) error { return t.Encode(f) })
}

// Save stores a file, completely or not at all: what was there before stays until
// all that write has written can take its place. What is no regular file, such as a
// pipe or /dev/null, is written as it is. Its errors name the file.
func Save(name string, write func(*os.File) error) error {
	return ofFile(name, files.Save(name, write))
}

// CheckWritable tells early what would keep Write from writing a file of the
// name, short of a full disk. It leaves nothing behind.
func CheckWritable(name string) error { return ofFile(name, files.CheckWritable(name)) }

// Read reads a trace file. Its errors name the file.
func Read(name string) (*Trace, error) {
	data, err := files.Read(name, maxTrace)
	var large *files.TooLarge
	if errors.As(err, &large) {
		err = fmt.Errorf("%w: %w", ErrFormat, large)
	}
	if err != nil {
		return nil, ofFile(name, err)
	}
	t, err := Decode(bytes.NewReader(data))
	return t, ofFile(name, err)
}

func ofFile(name string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", name, err)
}
