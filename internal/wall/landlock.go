package wall

import (
	"errors"
	"io/fs"
	"os"

	"github.com/landlock-lsm/go-landlock/landlock"
	ll "github.com/landlock-lsm/go-landlock/landlock/syscall"
	"golang.org/x/sys/unix"
)

// What is granted of files and of folders. A file is written beside the one that it is
// to replace, and os.CreateTemp opens it for both reading and writing.
const (
	readFile  landlock.AccessFSSet = ll.AccessFSReadFile
	readTree  landlock.AccessFSSet = ll.AccessFSReadFile | ll.AccessFSReadDir
	writeFile landlock.AccessFSSet = ll.AccessFSWriteFile | ll.AccessFSTruncate
	writeTree landlock.AccessFSSet = readTree | writeFile | ll.AccessFSMakeReg | ll.AccessFSRemoveFile
)

// newest is the highest version of Landlock's interface that is made use of. An older
// kernel's refuses less.
var newest = landlock.V11

// landlockVersion is the version of the kernel's interface, or why there is none.
func landlockVersion() (version int, why string) {
	version, err := ll.LandlockGetABIVersion()
	switch {
	case errors.Is(err, unix.ENOSYS):
		return 0, "this kernel has no Landlock"
	case errors.Is(err, unix.EOPNOTSUPP):
		return 0, "Landlock is off since this machine was started"
	case err != nil:
		return 0, "Landlock: " + err.Error()
	}
	// All threads are told one by one, for which they have to be listed.
	if _, err := os.ReadDir("/proc/self/task"); err != nil {
		return 0, "Landlock needs /proc/self/task"
	}
	return version, ""
}

// restrictFiles leaves of the file system what is granted, and nothing of TCP.
func restrictFiles(g Grant) error {
	var rules []landlock.Rule
	add := func(name string, file, tree landlock.AccessFSSet) error {
		access, err := accessTo(name, file, tree)
		if err == nil && access != 0 {
			rules = append(rules, landlock.PathAccess(access, name).IgnoreIfMissing())
		}
		return err
	}
	for _, name := range g.Read {
		if err := add(name, readFile, readTree); err != nil {
			return err
		}
	}
	for _, name := range g.Write {
		if err := add(name, writeFile, writeTree); err != nil {
			return err
		}
	}
	return newest.BestEffort().Restrict(rules...)
}

// accessTo is what to grant of a name, 0 for nothing: it is not there, or it lies in no
// file system that rules are about, such as a pipe behind /dev/stdout, which is open
// already.
func accessTo(name string, file, tree landlock.AccessFSSet) (landlock.AccessFSSet, error) {
	info, err := os.Stat(name)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENOTDIR) {
		return 0, nil // whoever wants it will say so
	}
	if errors.Is(err, fs.ErrPermission) {
		return 0, nil // nor could it be read without walls
	}
	if err != nil {
		return 0, err
	}
	if info.IsDir() {
		return tree, nil
	}
	var at unix.Statfs_t
	if err := unix.Statfs(name, &at); err != nil {
		return 0, err
	}
	switch at.Type {
	case unix.PIPEFS_MAGIC, unix.SOCKFS_MAGIC, unix.ANON_INODE_FS_MAGIC:
		return 0, nil
	}
	return file, nil
}
