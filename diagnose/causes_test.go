package diagnose

import (
	"testing"

	"emurace/internal/testcores"
)

func TestCauses(t *testing.T) {
	for i := range testcores.Causes {
		c := &testcores.Causes[i]
		suite := c.Suites[i%len(c.Suites)]
		arch := testcores.Arches[i%2]
		t.Run(c.Name+"/"+suite+"/"+arch.String(), func(t *testing.T) {
			core := c.Emulated(t, suite, arch)
			t.Log(told(explain(t, core, all(core))))
		})
	}
}
