package oracle

import (
	"testing"

	"emurace/loader"
	"emurace/scenario"
)

// Programs that do nothing wrong, on unmodified glibc.
func TestNothingWrong(t *testing.T) {
	mallocs := func(sizes ...uint64) scenario.Body {
		return body(func(results []uint64) (scenario.Call, bool) {
			n := len(results)
			switch {
			case n < len(sizes):
				return call("malloc", scenario.Int(sizes[n])), true
			case n < 2*len(sizes):
				return call("free", scenario.Int(results[n-len(sizes)])), true
			case n == 2*len(sizes):
				return call("calloc", scenario.Int(3), scenario.Int(sizes[0])), true
			case n < 2*len(sizes)+4:
				return call("realloc", scenario.Int(results[n-1]), scenario.Int(uint64(n)*200)), true
			case n == 2*len(sizes)+4:
				return call("free", scenario.Int(results[n-1])), true
			}
			return scenario.Call{}, false
		})
	}
	file := body(func(results []uint64) (scenario.Call, bool) {
		switch len(results) {
		case 0:
			return call("fopen", scenario.Str("/etc/debian_version"), scenario.Str("r")), true
		case 1:
			if results[0] != 0 {
				return call("fclose", scenario.Int(results[0])), true
			}
		}
		return scenario.Call{}, false
	})
	var mutex uint64
	locked := func(c scenario.Call) scenario.Body {
		return called(func() scenario.Calls {
			return scenario.Calls{call("pthread_mutex_lock", scenario.Int(mutex)), c, call("pthread_mutex_unlock", scenario.Int(mutex))}
		})
	}
	makeMutex := func(u *scenario.Setup) (err error) {
		mutex, err = u.Call(scenario.Main, "calloc", scenario.Int(1), scenario.Int(64))
		return err
	}
	for name, c := range map[string]plan{
		"malloc": calls(nil, mallocs(24, 100, 2000, 40), mallocs(24, 100, 40, 2000)),
		"files":  calls(nil, file, file),
		"mutex": calls(makeMutex,
			locked(call("getenv", scenario.Str("NOBODY"))), locked(call("setenv", scenario.Str("A"), scenario.Str("1"), scenario.Int(1)))),
		"strings": calls(nil,
			scenario.Calls{call("strdup", scenario.Str("one")), call("strdup", scenario.Str("a longer string than one"))},
			scenario.Calls{call("strdup", scenario.Str("two"))}),
	} {
		t.Run(name, func(t *testing.T) {
			eachArch(t, func(t *testing.T, arch loader.Arch) {
				for _, suite := range suites() {
					runs := 40
					if name == "files" {
						runs = 12
					}
					if seen := inspectRandomly(t, starter(system(t, suite, arch), c), runs); len(seen) > 0 {
						t.Errorf("%s: %v", suite, seen)
					}
				}
			})
		})
	}
}

// body is a Body that is asked with the results so far.
type body func(results []uint64) (scenario.Call, bool)

func (b body) Next(results []uint64) (scenario.Call, bool, error) {
	c, more := b(results)
	return c, more, nil
}

func suites() []string {
	if testing.Short() {
		return []string{"bookworm"}
	}
	return []string{"bullseye", "bookworm", "trixie", "forky"}
}
