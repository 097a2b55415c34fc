package files

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

// errIrregular is the error about what is no regular file.
var errIrregular = errors.New("not a regular file")

// TooLarge is the error about a file that has more bytes than it may.
type TooLarge struct{ Most int64 }

// Error says how many it may have.
func (e *TooLarge) Error() string {
	if e.Most >= 1<<20 && e.Most%(1<<20) == 0 {
		return fmt.Sprintf("larger than %d MiB", e.Most>>20)
	}
	return fmt.Sprintf("larger than %d bytes", e.Most)
}

// Read reads a regular file of at most so many bytes. Its errors name no file; they wrap
// those of the system, say that it is no regular file, or are a *TooLarge.
func Read(name string, most int64) ([]byte, error) {
	// A pipe without a writer is opened at once in this way, and a terminal does not
	// become the one of the process.
	f, err := os.OpenFile(name, os.O_RDONLY|unix.O_NONBLOCK|unix.O_NOCTTY, 0)
	if err != nil {
		return nil, bare(err)
	}
	defer func() { _ = f.Close() }() // it is only read
	info, err := f.Stat()
	switch {
	case err != nil:
		return nil, bare(err)
	case info.IsDir():
		return nil, unix.EISDIR
	case !info.Mode().IsRegular():
		return nil, errIrregular
	case info.Size() > most:
		return nil, &TooLarge{most}
	}
	// It may grow, and what /proc has is larger than it says.
	data, err := io.ReadAll(io.LimitReader(f, most+1))
	if err == nil && int64(len(data)) > most {
		err = &TooLarge{most}
	}
	if err != nil {
		return nil, bare(err)
	}
	return data, nil
}

// bare is an error of the file system without the name of the file, which may be one that
// the user has never heard of.
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
