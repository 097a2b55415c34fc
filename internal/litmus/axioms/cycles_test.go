package axioms

import (
	"os"
	"regexp"
	"testing"

	"emurace/internal/litmus"
	"emurace/internal/litmus/cycles"
	"emurace/loader"
)

// TestCyclesOfFolder: of files that say of which cycle they were made, the test that is made of the cycle has the
// same executions.
func TestCyclesOfFolder(t *testing.T) {
	folder := os.Getenv(litmus.Variable)
	if folder == "" {
		t.Skipf("%s names no folder", litmus.Variable)
	}
	origin := regexp.MustCompile(`(?m)^Orig=(.*)$`)
	for name, arch := range map[string]loader.Arch{"aarch64": loader.ARM64, "x86": loader.AMD64} {
		texts, err := litmus.Unpack(folder, name)
		if err != nil {
			t.Fatal(err)
		}
		made, names := 0, 0
		for path, text := range texts {
			cycle := origin.FindStringSubmatch(text)
			if cycle == nil {
				continue
			}
			mine, err := cycles.Test(arch, cycle[1])
			if err != nil {
				continue
			}
			file, err := litmus.Parse(text)
			if err != nil {
				t.Errorf("%s: %v", path, err)
				continue
			}
			made++
			if mine.Name == file.Name {
				names++
			}
			want, err := Judge(file)
			if err != nil {
				t.Errorf("%s: %v", path, err)
				continue
			}
			got, err := Judge(mine)
			if err != nil {
				t.Errorf("%s: %v", mine.Name, err)
				continue
			}
			for _, m := range Models() {
				asked := file.Asks == litmus.Exists && file.Cond.Op != litmus.Not // else it asks something else of the cycle
				if asked && got[m].Seen != want[m].Seen || lines(mine) == lines(file) && got[m].Graphs != want[m].Graphs {
					t.Errorf("%s: %s under %v: %+v, and the file's %+v\n%s", path, cycle[1], m, *got[m], *want[m], mine)
				}
			}
		}
		t.Logf("%s: %d of %d, %d with the same name", name, made, len(texts), names)
		// What is not made are exclusives, other locations' observers, and the like. Names of files
		// that are not of their cycle, such as X001, are few.
		if made < len(texts)*2/3 || names < made*4/5 {
			t.Errorf("%s: only %d of %d are made, and %d have their names", name, made, len(texts), names)
		}
	}
}

// lines counts a test's instructions: some files have more reads, which watch.
func lines(t *litmus.Test) (n int) {
	for _, column := range t.Threads {
		n += len(column)
	}
	return n
}
