package litmus

import (
	"archive/tar"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/ulikunitz/xz"
)

// Variable is the environment variable that names a folder of litmus tests, for ReadAll.
const Variable = "EMURACE_LITMUS"

// Known is a test of which others have said what comes out.
type Known struct {
	*Test
	// Seen is whether an execution can be seen that the test looks for, under the model of its
	// architecture.
	Seen bool
}

// Folder reads the tests of a folder: in NAME-expected.csv the lines PATH,1 and PATH,0, and in NAME.tar.xz
// their files, sorted by path. 1 is that the question of the test is answered with yes. The test fails where a
// file is not understood or missing.
func Folder(t testing.TB, folder, name string) []Known {
	t.Helper()
	file, err := os.Open(filepath.Join(folder, name+"-expected.csv"))
	must(t, err)
	rows, err := csv.NewReader(file).ReadAll()
	must(t, errors.Join(err, file.Close()))
	yes := map[string]bool{}
	for _, r := range rows {
		if len(r) != 2 || r[1] != "0" && r[1] != "1" {
			t.Fatalf("%s-expected.csv: %q is not PATH,0 or PATH,1", name, r)
		}
		yes[r[0]] = r[1] == "1"
	}
	texts, err := Unpack(folder, name)
	must(t, err)
	var list []Known
	for at, is := range yes {
		text, ok := texts[at]
		if !ok {
			t.Errorf("%s: the archive does not have it", at)
			continue
		}
		test, err := Parse(text)
		if err != nil {
			t.Errorf("%s: %v", at, err)
			continue
		}
		test.Path = at
		list = append(list, Known{test, test.Says(is)})
	}
	slices.SortFunc(list, func(a, b Known) int { return strings.Compare(a.Path, b.Path) })
	return list
}

// Unpack reads all files of the archive NAME.tar.xz of a folder, by their paths in it.
func Unpack(folder, name string) (map[string]string, error) {
	file, err := os.Open(filepath.Join(folder, name+".tar.xz"))
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	packed, err := xz.NewReader(file)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	texts := map[string]string{}
	for archive := tar.NewReader(packed); ; {
		h, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return texts, nil
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		if h.Typeflag != tar.TypeReg {
			continue
		}
		text, err := io.ReadAll(io.LimitReader(archive, maxText+1))
		if err != nil {
			return nil, fmt.Errorf("%s: %s: %w", name, h.Name, err)
		}
		texts[path.Clean(h.Name)] = string(text)
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
