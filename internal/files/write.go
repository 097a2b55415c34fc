package files

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Names of files that are being written, until they are complete.
const (
	before = ".emurace-"
	after  = ".tmp"
)

// Errors about what is to be written to.
var (
	errFolder = errors.New("it is a folder")
	errUnread = errors.New("it is a pipe that nobody reads from")
)

// Save stores a file, completely or not at all: what was there before stays until all that
// write has written can take its place. What is no regular file, such as a pipe or
// /dev/null, is written as it is. Its errors name no file.
func Save(name string, write func(*os.File) error) error { return bare(save(name, write)) }

func save(name string, write func(*os.File) error) error {
	name = followed(name)
	info, err := os.Stat(name)
	switch {
	case err == nil && info.IsDir():
		return errFolder
	case err == nil && !info.Mode().IsRegular():
		f, err := openSpecial(name)
		if err != nil {
			return err
		}
		return errors.Join(write(f), f.Close())
	}
	return replace(name, write)
}

// How long somebody has time to begin to read from a pipe.
const (
	patience = 5 * time.Second
	pause    = 10 * time.Millisecond
)

// openSpecial opens what is no regular file for writing. To wait without end for somebody to
// read from a pipe could take for ever.
func openSpecial(name string) (*os.File, error) {
	for began := time.Now(); ; time.Sleep(pause) {
		f, err := os.OpenFile(name, os.O_WRONLY|unix.O_NONBLOCK|unix.O_NOCTTY, 0)
		if !errors.Is(err, unix.ENXIO) {
			return f, err
		}
		if time.Since(began) > patience {
			return nil, errUnread
		}
	}
}

// followed is the file that a link leads to: a link stays a link.
func followed(name string) string {
	if real, err := filepath.EvalSymlinks(name); err == nil {
		return real
	}
	return name
}

// CheckWritable tells early what would keep Save from writing a file of the name, short of a
// full disk. It leaves nothing behind.
func CheckWritable(name string) error {
	name = followed(name)
	if info, err := os.Stat(name); err == nil && !info.Mode().IsRegular() {
		if info.IsDir() {
			return errFolder
		}
		return nil // a pipe is not to be opened twice
	}
	f, err := create(filepath.Dir(name))
	if err != nil {
		return bare(err)
	}
	return bare(errors.Join(os.Remove(f.Name()), f.Close()))
}

// Replace gives a name to a file that holds data, in place of whatever had it before: a pipe too.
func Replace(name string, data []byte) error {
	return bare(replace(name, func(f *os.File) error {
		_, err := f.Write(data)
		return err
	}))
}

// replace writes a file beside the one that it then replaces.
func replace(name string, write func(*os.File) error) error {
	f, err := create(filepath.Dir(name))
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
	if err == nil {
		err = os.Rename(f.Name(), name)
	}
	if err != nil {
		_ = os.Remove(f.Name()) // the first error is the one to report
	}
	// Only now: until it has its name it is locked.
	if closed := f.Close(); err == nil {
		err = closed
	}
	return err
}

// swept are the folders that this process has swept.
var swept sync.Map

// create makes a file that is going to replace another one in a folder. It is locked as long
// as it is open, which tells it from one that nobody is writing any more.
func create(folder string) (*os.File, error) {
	Sweep(folder)
	for {
		f, err := os.CreateTemp(folder, before+"*"+after)
		if err != nil {
			return nil, err
		}
		// A file system without locks has nothing swept either.
		_ = unix.Flock(int(f.Fd()), unix.LOCK_EX)
		info, err := f.Stat()
		if err != nil {
			return nil, errors.Join(err, os.Remove(f.Name()), f.Close())
		}
		if info.Sys().(*syscall.Stat_t).Nlink > 0 {
			return f, nil
		}
		// Another process has taken it for a leftover before it was locked.
		if err := f.Close(); err != nil {
			return nil, err
		}
	}
}

// Sweep removes what was left in a folder by processes that were killed while they wrote, when
// it is first called for that. What cannot be removed does no harm but to take up room.
func Sweep(folder string) {
	if _, done := swept.LoadOrStore(folder, true); done {
		return
	}
	entries, err := os.ReadDir(folder)
	if err != nil {
		return // nor can anything be written here, which is said elsewhere
	}
	for _, e := range entries {
		if name := e.Name(); e.Type().IsRegular() && strings.HasPrefix(name, before) && strings.HasSuffix(name, after) {
			removeUnlocked(filepath.Join(folder, name))
		}
	}
}

func removeUnlocked(name string) {
	f, err := os.OpenFile(name, os.O_RDWR|unix.O_NONBLOCK|unix.O_NOFOLLOW, 0)
	if err != nil {
		return // it is somebody else's
	}
	if unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB) == nil {
		_ = os.Remove(name)
	}
	_ = f.Close() // nothing was written
}
