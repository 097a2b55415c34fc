package sysroot

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// tmpPrefix starts the names of the folders in which pulls do their work. They
// lie beside the entries, because a rename cannot leave its file system.
const tmpPrefix = ".tmp-"

// lockName is the file whose lock a pull holds. The file itself stays: to
// remove it would let two pulls lock two different files.
const lockName = ".lock"

// lockInterval is how often a pull looks whether another one has ended.
const lockInterval = 100 * time.Millisecond

// lockStore makes the store and locks it against other pulls, waiting until
// they end. The kernel gives the lock back when a process dies. wait is called
// once when there is another pull to wait for.
func (c *Cache) lockStore(ctx context.Context, wait func()) (unlock func() error, err error) {
	ticker := time.NewTicker(lockInterval)
	defer ticker.Stop()
	for waited := false; ; waited = true {
		unlock, ok, err := c.tryLock()
		if err != nil || ok {
			return unlock, err
		}
		if !waited {
			wait()
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-ticker.C:
		}
	}
}

// tryLock is lockStore without waiting: ok is false when another process has the lock.
func (c *Cache) tryLock() (unlock func() error, ok bool, err error) {
	if err := os.MkdirAll(c.store(), 0o755); err != nil {
		return nil, false, cacheError(err)
	}
	f, err := os.OpenFile(filepath.Join(c.store(), lockName), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, false, cacheError(err)
	}
	for {
		switch err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); {
		case err == nil:
			return f.Close, true, nil
		case errors.Is(err, unix.EWOULDBLOCK):
			return nil, false, f.Close()
		case !errors.Is(err, unix.EINTR):
			return nil, false, errors.Join(fmt.Errorf("lock %s: %w", f.Name(), err), f.Close())
		}
	}
}

// cacheError adds the remedy to a failure to write to the cache.
func cacheError(err error) error {
	return &Error{what: "cache folder", cause: err, hint: "set EMURACE_CACHE to a folder that can be written to, on a disk with room"}
}

// removeLeftovers removes what dead pulls left. The caller holds the lock, so
// there is no pull that could still be using it.
func (c *Cache) removeLeftovers() error {
	entries, err := os.ReadDir(c.store())
	if err != nil {
		return err
	}
	for _, entry := range entries {
		if strings.HasPrefix(entry.Name(), tmpPrefix) {
			if err := removeTree(filepath.Join(c.store(), entry.Name())); err != nil {
				return err
			}
		}
	}
	return nil
}

// removeTree removes a folder and all below it, even where a package came with
// folders that their owner may not write to.
func removeTree(dir string) error {
	if err := os.RemoveAll(dir); err == nil || !errors.Is(err, fs.ErrPermission) {
		return err
	}
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if entry != nil && entry.IsDir() && err == nil {
			// Before WalkDir reads it, so that it can.
			return os.Chmod(path, 0o700)
		}
		return err
	})
	if err != nil {
		return err
	}
	return os.RemoveAll(dir)
}

// syncFilesystem waits until all that was written to the file system of dir is
// on disk: cheaper than an fsync for each of a sysroot's many files.
func syncFilesystem(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	if err := unix.Syncfs(int(f.Fd())); err != nil {
		return errors.Join(fmt.Errorf("sync %s: %w", dir, err), f.Close())
	}
	return f.Close()
}
