package sysroot

import (
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

func TestBuildsOf(t *testing.T) {
	const list = `Package: libc6
Version: 2.36-9
Architecture: amd64
Description: C library
 Build-Ids: 0a0a0a

Package: libc6-dbg
Architecture: amd64
Version: 2.36-9
Build-Ids: 0011 2233 4455

Package: zlib1g-dbgsym
Build-Ids: 6677
Version: 1.2
Architecture: arm64`
	for ids, want := range map[string][]Build{
		"2233":      {{"2233", "libc6-dbg", "2.36-9", "amd64"}},
		"4455 6677": {{"4455", "libc6-dbg", "2.36-9", "amd64"}, {"6677", "zlib1g-dbgsym", "1.2", "arm64"}},
		"0a0a0a":    nil, // a line that goes on is no field
		"22":        nil,
	} {
		got, err := buildsOf(strings.NewReader(list), strings.Fields(ids))
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: %v, %v, want %v", ids, got, err, want)
		}
	}
	if _, err := buildsOf(strings.NewReader("Build-Ids: "+strings.Repeat("0", maxBuildsLine)), []string{"00"}); err == nil {
		t.Error("a line of any length is read")
	}
}

// TestBuilds: the lists of the machine's own apt, where it has Debian's package, know the build of a file of that
// package.
func TestBuilds(t *testing.T) {
	out, err := exec.Command("apt-cache", "dumpavail").Output()
	if err != nil || !strings.Contains(string(out), "\nBuild-Ids: ") {
		t.Skip("there are no lists of a Debian's apt here")
	}
	line := string(out)[strings.Index(string(out), "\nBuild-Ids: "):]
	id := strings.Fields(line)[1]
	got, err := Builds(t.Context(), []string{id, "00"})
	if err != nil || len(got) == 0 || got[0].ID != id || got[0].Package == "" || got[0].Version == "" {
		t.Errorf("%s: %+v, %v", id, got, err)
	}
	t.Setenv("PATH", os.TempDir())
	if got, err := Builds(t.Context(), []string{id}); err != nil || got != nil {
		t.Errorf("without apt: %v, %v", got, err)
	}
}
