package sysroot

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// A sysroot of the cache is made in generations: each pull that changes it makes a new folder
// beside the one before, `NAME.1`, `NAME.2` and so on, and then moves a symbolic link,
// `NAME.current`. So whoever runs on a generation keeps it; see hold.go. A cache of before
// there were generations has the folder `NAME` alone: that is generation 0, and current where
// there is no link. It is never renamed, since who uses it knows it by its path.

// currentSuffix ends the name of the link to the current generation.
const currentSuffix = ".current"

// noGeneration is what that link holds when a generation 0 is there and is not to be found.
const noGeneration = "none"

// generationName is the folder of an entry's generation, without its path.
func generationName(name string, number int) string {
	if number == 0 {
		return name
	}
	return name + "." + strconv.Itoa(number)
}

// parseGeneration is the number of the generation that a name in the store stands for.
func parseGeneration(name, base string) (number int, ok bool) {
	rest, ok := strings.CutPrefix(base, name)
	if !ok {
		return 0, false
	}
	if rest == "" {
		return 0, true
	}
	digits, ok := strings.CutPrefix(rest, ".")
	number, err := strconv.Atoi(digits)
	// Only as it is written: neither "+1" nor "01" is a name of ours.
	return number, ok && err == nil && number > 0 && strconv.Itoa(number) == digits
}

// linkPath is the path of the link to the current generation of an entry.
func (c *Cache) linkPath(name string) string {
	return filepath.Join(c.store(), name+currentSuffix)
}

// currentNumber is the generation of an entry that is to be used now, whether or not there is
// anything in it; false if there is none.
func (c *Cache) currentNumber(name string) (int, bool) {
	target, err := os.Readlink(c.linkPath(name))
	if errors.Is(err, fs.ErrNotExist) {
		return 0, true
	}
	if err != nil {
		return 0, false
	}
	return parseGeneration(name, target)
}

// entryPath is the folder of a Debian entry's current generation, there or not.
func (c *Cache) entryPath(suite, arch string) string {
	name := entryName(suite, arch)
	number, ok := c.currentNumber(name)
	if !ok {
		return filepath.Join(c.store(), noGeneration)
	}
	return filepath.Join(c.store(), generationName(name, number))
}

// Lasting is a path of a folder that Dir has returned which goes on to lead to the sysroot when
// more is pulled into it, for commands that are shown and may be typed later: through the
// link. Other folders are returned as they are.
func Lasting(dir string) string {
	if filepath.Base(dir) != rootName {
		return dir
	}
	store, base := filepath.Split(filepath.Dir(dir))
	name, _, _ := strings.Cut(base, ".")
	link := filepath.Join(store, name+currentSuffix)
	if number, ok := parseGeneration(name, base); !ok || number == 0 {
		return dir
	}
	if _, err := os.Readlink(link); err != nil {
		return dir
	}
	return filepath.Join(link, rootName)
}

// generations are the numbers of an entry's generations that are in the store, in order.
func (c *Cache) generations(name string) ([]int, error) {
	entries, err := os.ReadDir(c.store())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var numbers []int
	for _, entry := range entries {
		if number, ok := parseGeneration(name, entry.Name()); ok && entry.IsDir() {
			numbers = append(numbers, number)
		}
	}
	slices.Sort(numbers)
	return numbers, nil
}

// install makes the finished entry in the folder work the newest generation, and then the
// current one. Everything in it is on disk before it has its name, and the name before the
// link. The caller holds the store's lock.
func (c *Cache) install(work, name string) error {
	numbers, err := c.generations(name)
	if err != nil {
		return err
	}
	next := 1
	if len(numbers) > 0 {
		next = numbers[len(numbers)-1] + 1
	}
	if err := syncFilesystem(work); err != nil {
		return err
	}
	to := filepath.Join(c.store(), generationName(name, next))
	if err := os.Rename(filepath.Join(work, entryWork), to); err != nil {
		return err
	}
	if err := c.point(work, name, generationName(name, next)); err != nil {
		return errors.Join(err, removeTree(to))
	}
	return syncFilesystem(c.store())
}

// point has the link of an entry lead to a generation, in one step. work is a folder of the
// caller's own in the store.
func (c *Cache) point(work, name, target string) error {
	link := filepath.Join(work, "link")
	if err := os.Symlink(target, link); err != nil {
		return err
	}
	return os.Rename(link, c.linkPath(name))
}

// sweep removes the generations of an entry that are not current and that nobody holds, and
// returns those that are held. The caller holds the store's lock. A folder that cannot be
// removed is not a reason to fail: the next sweep tries it again.
func (c *Cache) sweep(name string) (held []int, err error) {
	numbers, err := c.generations(name)
	if err != nil {
		return nil, err
	}
	current, ok := c.currentNumber(name)
	var failed error
	for _, number := range numbers {
		if ok && number == current {
			continue
		}
		free, err := c.dispose(filepath.Join(c.store(), generationName(name, number)))
		failed = errors.Join(failed, err)
		if err == nil && !free {
			held = append(held, number)
		}
	}
	return held, failed
}

// dispose removes a generation, unless somebody holds it.
func (c *Cache) dispose(path string) (free bool, err error) {
	unlock, free, err := seize(path)
	if err != nil || !free {
		return false, err
	}
	defer unlock()
	// It is gone in one step; what dies later leaves a folder that the next pull removes.
	work, err := os.MkdirTemp(c.store(), tmpPrefix)
	if err != nil {
		return false, err
	}
	if err := os.Rename(path, filepath.Join(work, entryWork)); err != nil {
		return false, errors.Join(err, removeTree(work))
	}
	return true, removeTree(work)
}

// settled tells whether an entry has one generation at most.
func (c *Cache) settled(name string) bool {
	numbers, err := c.generations(name)
	return err == nil && len(numbers) <= 1
}

// Remove takes a sysroot out of the cache: nothing finds it any more, and what nobody uses is
// removed. The generations that it returns are in use: they go with the next pull or Remove
// after that. It is an Error when there is nothing of the sysroot.
func (c *Cache) Remove(spec Spec, arch string) (inUse []Generation, err error) {
	if spec.Kind != Debian || spec.Libc != "" {
		return nil, &Error{what: "sysroot " + spec.String(), why: "only debian:SUITE can be removed", hint: "emurace sysroot list shows what is there", kind: ErrInvalid}
	}
	if err := checkArch(arch); err != nil {
		return nil, err
	}
	name := entryName(spec.Suite, arch)
	numbers, err := c.generations(name)
	if err != nil {
		return nil, err
	}
	if len(numbers) == 0 {
		return nil, &Error{what: fmt.Sprintf("sysroot %s for %s", spec, arch), why: "not there", hint: "emurace sysroot list shows what is there", kind: errMissing}
	}
	unlock, ok, err := c.tryLock()
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, &Error{what: fmt.Sprintf("sysroot %s for %s", spec, arch), why: "a pull is under way", hint: "try again when it has ended"}
	}
	defer func() { err = errors.Join(err, unlock()) }()
	if err := c.removeLeftovers(); err != nil {
		return nil, cacheError(err)
	}
	work, err := os.MkdirTemp(c.store(), tmpPrefix)
	if err != nil {
		return nil, cacheError(err)
	}
	defer func() { err = errors.Join(err, removeTree(work)) }()
	if err := c.point(work, name, noGeneration); err != nil {
		return nil, cacheError(err)
	}
	held, err := c.sweep(name)
	if err != nil {
		return nil, cacheError(err)
	}
	if len(held) == 0 {
		return nil, os.Remove(c.linkPath(name))
	}
	for _, number := range held {
		inUse = append(inUse, c.generation(name, number))
	}
	return inUse, nil
}
