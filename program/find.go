package program

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"
)

// Files are where a program and its interpreters are looked for: the guest's.
type Files interface {
	// File is the whole content of a regular file, following links. It is an
	// fs.ErrNotExist where nothing is.
	File(path string) ([]byte, error)
}

// Command is a program with its command line, ready to be run.
type Command struct {
	Path string   // of the ELF file, in the guest
	Argv []string // with its name first
	Kind Kind     // of the ELF file
}

// SearchPath is where a name without a slash is looked for when the environment has no PATH:
// what confstr(_CS_PATH) says, and the folders of an administrator's programs.
const SearchPath = "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"

// NotFoundError is that there is no program of a name.
type NotFoundError struct {
	Name string
	For  string // the script whose interpreter it is, "" for none
}

// Error says which one.
func (e *NotFoundError) Error() string {
	if e.For != "" {
		return fmt.Sprintf("%s: its interpreter %s is not there", e.For, e.Name)
	}
	return fmt.Sprintf("%s: no such program", e.Name)
}

// Find is the program that a command line names: by a path, which cwd begins where it is
// relative, or by a name that is looked for in the folders of searchPath. Scripts are
// followed to their interpreters, as execve does.
func Find(files Files, cwd, searchPath string, argv []string) (Command, error) {
	name := argv[0]
	at, data, err := look(files, cwd, searchPath, name)
	if err != nil {
		return Command{}, err
	}
	argv = append([]string{name}, argv[1:]...)
	for range maxScripts + 1 {
		kind, err := KindOf(at, data)
		if err != nil {
			return Command{}, err
		}
		if kind.Script == nil {
			return Command{Path: at, Argv: argv, Kind: kind}, nil
		}
		// The interpreter's name, its argument, the script's path, and the script's arguments.
		argv = append(append(append([]string{}, kind.Script...), at), argv[1:]...)
		script := at
		if at, data, err = read(files, absolute(cwd, kind.Script[0])); err != nil {
			if isNotThere(err) {
				return Command{}, &NotFoundError{Name: kind.Script[0], For: script}
			}
			return Command{}, fmt.Errorf("%s: its interpreter: %w", script, err)
		}
	}
	return Command{}, &RefusedError{Path: at, Why: errNoInterp.Error()}
}

func look(files Files, cwd, searchPath, name string) (at string, data []byte, err error) {
	if strings.Contains(name, "/") {
		at, data, err = read(files, absolute(cwd, name))
		if isNotThere(err) {
			err = &NotFoundError{Name: name}
		}
		return at, data, err
	}
	for _, dir := range strings.Split(searchPath, ":") {
		at = absolute(cwd, path.Join(dir, name))
		if data, err = files.File(at); err == nil {
			return at, data, nil
		}
	}
	return "", nil, &NotFoundError{Name: name}
}

// read is the file at a path, or where packages have it that were made before /usr was merged
// with /: a Debian that is installed has links there, as /bin, which what is only unpacked has not.
func read(files Files, name string) (at string, data []byte, err error) {
	data, err = files.File(name)
	if rest, ok := strings.CutPrefix(name, "/usr"); isNotThere(err) && ok && (strings.HasPrefix(rest, "/bin/") || strings.HasPrefix(rest, "/sbin/")) {
		if data, err := files.File(rest); err == nil {
			return rest, data, nil
		}
	}
	return name, data, err
}

func absolute(cwd, name string) string {
	if path.IsAbs(name) {
		return path.Clean(name)
	}
	return path.Join(cwd, name)
}

func isNotThere(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrInvalid)
}
