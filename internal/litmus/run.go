package litmus

import (
	"fmt"
	"runtime"
	"sync"
	"testing"

	"emurace/loader"
)

// Found is what came out of a test.
type Found struct {
	Seen   bool // an execution was seen that the test looks for
	Graphs int  // how many executions there are
}

// RunAll makes code of tests, of any architectures and many at a time, and has run called for each, at most
// runtime.GOMAXPROCS of them at once. It returns what came out, by the tests' places in the list, and which did
// not come to an end and why.
func RunAll(t testing.TB, tests []*Test, run func(code *Code, n int) (Found, error)) ([]Found, map[int]error) {
	t.Helper()
	found, failed := make([]Found, len(tests)), map[int]error{}
	var mu sync.Mutex
	var workers sync.WaitGroup
	free := make(chan bool, runtime.GOMAXPROCS(0))
	defer workers.Wait()
	for _, arch := range []loader.Arch{loader.ARM64, loader.AMD64} {
		var of []int
		for i, test := range tests {
			if test.Arch == arch {
				of = append(of, i)
			}
		}
		for len(of) > 0 {
			batch := of[:min(Together, len(of))]
			of = of[len(batch):]
			var list []*Test
			for _, i := range batch {
				list = append(list, tests[i])
			}
			code := Assemble(t, list)
			for n, i := range batch {
				free <- true
				workers.Go(func() {
					defer func() { <-free }()
					f, err := run(code, n)
					mu.Lock()
					defer mu.Unlock()
					found[i] = f
					if err != nil {
						failed[i] = fmt.Errorf("%s: %w", tests[i].Name, err)
					}
				})
			}
		}
	}
	workers.Wait()
	return found, failed
}

// Test is test n of the code.
func (c *Code) Test(n int) *Test { return c.tests[n] }
