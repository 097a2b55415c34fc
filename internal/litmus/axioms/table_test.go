package axioms

import (
	"testing"

	"emurace/internal/litmus/table"
	"emurace/loader"
)

// TestTable: what is known of litmus tests follows from the axioms.
func TestTable(t *testing.T) {
	for _, arch := range []loader.Arch{loader.ARM64, loader.AMD64} {
		rows, err := table.Rows(arch)
		if err != nil {
			t.Fatal(err)
		}
		for _, row := range rows {
			got, err := Judge(row.Test)
			if err != nil {
				t.Errorf("%s: %v", row.Name, err)
				continue
			}
			for _, m := range Models() {
				if m == ARM && arch == loader.AMD64 {
					continue
				}
				if v := got[m]; v.Seen != row.Seen[m] || v.Causal.Graphs != row.Graphs[m] {
					t.Errorf("%s under %s: %+v, want seen %v, %d graphs\n%s", row.Name, m, *v, row.Seen[m], row.Graphs[m], row.Test)
				}
			}
		}
	}
}
