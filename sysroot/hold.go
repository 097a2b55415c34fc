package sysroot

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// Who uses a generation holds it: a shared lock on its manifest, of the kind that belongs to
// an open file (F_OFD_SETLK, fcntl(2)). The kernel takes it back when the process ends, in
// whatever way, and it can be looked for without being taken. No access to the file is needed
// but to read it, so an engine process takes it before its walls stand and keeps it behind
// them.

// holdTries and holdPause bound how long a holder waits for who is removing the generation
// that it has found, until the link leads elsewhere.
const (
	holdTries = 200
	holdPause = 10 * time.Millisecond
)

// errRemoved is a generation that went while it was to be held.
var errRemoved = errors.New("it is being removed")

// hold locks the generation in the folder path against removal, for as long as the descriptor
// that it returns is open. errRemoved says that it is going, or gone.
func hold(path string) (fd int, err error) {
	name := filepath.Join(path, manifestName)
	fd, err = openManifest(name, unix.O_RDONLY)
	if err != nil {
		return -1, err
	}
	// Where the file system has no locks nothing is removed either; see seize.
	if err := lockFile(fd, unix.F_RDLCK); errors.Is(err, errRemoved) {
		_ = unix.Close(fd) // it was only read
		return -1, err
	}
	// It may have been removed between the two.
	var opened, there unix.Stat_t
	err = unix.Fstat(fd, &opened)
	if err == nil {
		err = unix.Stat(name, &there)
	}
	if err != nil || opened.Ino != there.Ino || opened.Dev != there.Dev {
		_ = unix.Close(fd) // it was only read
		return -1, errRemoved
	}
	return fd, nil
}

// seize locks a generation for its removal; free is false when somebody holds it. One without
// a manifest is of no use to anybody, and free.
func seize(path string) (unlock func(), free bool, err error) {
	fd, err := openManifest(filepath.Join(path, manifestName), unix.O_RDWR)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENOTDIR) {
		return func() {}, true, nil
	}
	if err != nil {
		return nil, false, err
	}
	unlock = func() { _ = unix.Close(fd) } // nothing was written
	switch err := lockFile(fd, unix.F_WRLCK); {
	case errors.Is(err, errRemoved):
		unlock()
		return nil, false, nil
	case err != nil:
		unlock()
		return nil, false, err
	}
	return unlock, true, nil
}

// isHeld tells whether any process holds a generation, without being in anybody's way.
func isHeld(path string) bool {
	fd, err := openManifest(filepath.Join(path, manifestName), unix.O_RDONLY)
	if err != nil {
		return false
	}
	defer func() { _ = unix.Close(fd) }() // it was only read
	lock := unix.Flock_t{Type: unix.F_WRLCK}
	err = unix.FcntlFlock(uintptr(fd), unix.F_OFD_GETLK, &lock)
	return err == nil && lock.Type != unix.F_UNLCK
}

// openManifest opens a manifest that is a file; opening a pipe would block. The descriptor is
// no *os.File, which would be closed, and so release the lock, when nothing refers to it.
func openManifest(name string, mode int) (int, error) {
	fd, err := unix.Open(name, mode|unix.O_CLOEXEC|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return -1, &os.PathError{Op: "open", Path: name, Err: err}
	}
	var info unix.Stat_t
	if err := unix.Fstat(fd, &info); err != nil || info.Mode&unix.S_IFMT != unix.S_IFREG {
		_ = unix.Close(fd) // it was only read
		return -1, &os.PathError{Op: "open", Path: name, Err: errors.Join(err, errors.New("not a regular file"))}
	}
	return fd, nil
}

// lockFile takes a lock on a whole file without waiting. errRemoved stands for another one in
// its way: a holder only ever meets who removes.
func lockFile(fd int, kind int16) error {
	err := unix.FcntlFlock(uintptr(fd), unix.F_OFD_SETLK, &unix.Flock_t{Type: kind})
	switch {
	case errors.Is(err, unix.EAGAIN), errors.Is(err, unix.EACCES):
		return errRemoved
	case err != nil:
		return fmt.Errorf("lock %s: %w", manifestName, err)
	}
	return nil
}

// use returns the folder of an entry's current generation, and has this cache hold it until
// Close. Once held it is what use returns for the entry, whatever others pull: a process that
// opens a sysroot twice opens the same one.
func (c *Cache) use(suite, arch string) (string, error) {
	name := entryName(suite, arch)
	c.mu.Lock()
	defer c.mu.Unlock()
	if h, ok := c.held[name]; ok {
		return h.path, nil
	}
	for try := 0; ; try++ {
		path := c.entryPath(suite, arch)
		fd, err := hold(path)
		switch {
		case err == nil:
			if c.held == nil {
				c.held = map[string]holding{}
			}
			c.held[name] = holding{path, fd}
			return path, nil
		case errors.Is(err, errRemoved) && try < holdTries:
			time.Sleep(holdPause)
		case errors.Is(err, errRemoved) || errors.Is(err, fs.ErrNotExist):
			return "", fmt.Errorf("%s: %w", manifestName, fs.ErrNotExist)
		default:
			return "", err
		}
	}
}

// holding is a generation that a cache holds.
type holding struct {
	path string // its folder
	fd   int
}

// forget has the next use of an entry look for its current generation anew. The one that is
// held stays so until Close: somebody may be using it.
func (c *Cache) forget(name string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if h, ok := c.held[name]; ok {
		delete(c.held, name)
		c.former = append(c.former, h)
	}
}

// Close lets go of the sysroots that Dir has returned: their folders may then be removed by a
// later pull of any process. The end of the process does the same.
func (c *Cache) Close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, h := range c.held {
		_ = unix.Close(h.fd) // it was only read
	}
	for _, h := range c.former {
		_ = unix.Close(h.fd) // it was only read
	}
	c.held, c.former = nil, nil
}
