package sysroot

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"slices"
	"strings"
	"time"
)

// Build is a package that has the debugging information of a build-id.
type Build struct {
	ID      string // in hex
	Package string // with debugging information, as libc6-dbg
	Version string
	Arch    string
}

// Limits on what apt's lists may have: they are some 60 MB long, and the longest line is of the build-ids
// of one package, 40 bytes each.
const (
	maxBuildsLine = 8 << 20
	maxBuildsList = 1 << 30
	maxBuildsTime = 20 * time.Second
)

// Builds looks in the lists that the machine's own apt has for packages of these build-ids, by the field
// Build-Ids that Debian's packages with debugging information have. It fetches nothing. Where there is no apt
// the list is empty.
func Builds(ctx context.Context, ids []string) ([]Build, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	if _, err := exec.LookPath("apt-cache"); err != nil {
		return nil, nil // another system than a Debian
	}
	ctx, stop := context.WithTimeout(ctx, maxBuildsTime)
	defer stop()
	cmd := exec.CommandContext(ctx, "apt-cache", "dumpavail")
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("apt-cache dumpavail: %w", err)
	}
	list, err := buildsOf(io.LimitReader(out, maxBuildsList), ids)
	stop() // what is left is not looked at
	var killed *exec.ExitError
	if end := cmd.Wait(); err == nil && end != nil && !errors.As(end, &killed) && !errors.Is(end, context.Canceled) {
		err = fmt.Errorf("apt-cache dumpavail: %w", end)
	}
	return list, err
}

// buildsOf reads a list of packages, stanzas of "Field: value" with an empty line behind each (deb-control(5)).
func buildsOf(r io.Reader, ids []string) (list []Build, err error) {
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, 64<<10), maxBuildsLine)
	var b Build
	var found []string
	for lines.Scan() {
		field, value, _ := strings.Cut(lines.Text(), ": ")
		switch field {
		case "Package":
			b, found = Build{Package: value}, nil
		case "Version":
			b.Version = value
		case "Architecture":
			b.Arch = value
		case "Build-Ids":
			for id := range strings.FieldsSeq(value) {
				if slices.Contains(ids, id) {
					found = append(found, id)
				}
			}
		case "":
			for _, id := range found {
				b.ID = id
				list = append(list, b)
			}
			found = nil
		}
	}
	for _, id := range found { // the last one may have no empty line behind it
		b.ID = id
		list = append(list, b)
	}
	if err := lines.Err(); err != nil {
		return list, fmt.Errorf("the list of packages: %w", err)
	}
	return list, nil
}
