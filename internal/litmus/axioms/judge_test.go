package axioms

import (
	"os"
	"testing"

	"emurace/internal/litmus"
)

// TestFolder: of the tests of a folder which others have judged, what they say comes out.
func TestFolder(t *testing.T) {
	folder := os.Getenv(litmus.Variable)
	if folder == "" {
		t.Skipf("%s names no folder", litmus.Variable)
	}
	for name, model := range map[string]Model{"aarch64": ARM, "x86": TSO} {
		list := litmus.Folder(t, folder, name)
		same := 0
		for _, k := range list {
			got, err := Judge(k.Test)
			if err != nil {
				t.Errorf("%s: %v", k.Path, err)
				continue
			}
			if got[model].Seen != k.Seen {
				t.Errorf("%s: seen %v under %v, and it is known to be %v", k.Path, got[model].Seen, model, k.Seen)
				continue
			}
			same++
		}
		t.Logf("%s: %d of %d come out as known", name, same, len(list))
	}
}
