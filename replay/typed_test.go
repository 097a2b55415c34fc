package replay

import (
	"slices"
	"strings"
	"testing"

	"emurace/emu"
	"emurace/loader"
	"emurace/scenario"
)

// What lies in a mutex that a call was seen with is told by its member, until it is destroyed or
// freed: from then on the bytes may be anything.
func TestTyped(t *testing.T) {
	for _, c := range []struct {
		gone string // the call that ends it, "" for none
		want string
	}{{"", "pthread_mutex_t.__data.__owner"}, {"pthread_mutex_destroy", ""}, {"free", ""}} {
		eachArch(t, func(t *testing.T, arch loader.Arch) {
			var block uint64
			call := func(name string, args ...uint64) scenario.Call {
				made := scenario.Call{Func: name, Args: []scenario.Arg{scenario.Int(block)}}
				for _, v := range args {
					made.Args = append(made.Args, scenario.Int(v))
				}
				return made
			}
			plan := &scenario.Plan{
				Setup: func(u *scenario.Setup) (err error) {
					block, err = u.Call(scenario.Main, "malloc", scenario.Int(64))
					return err
				},
				Check: func(v *scenario.View) error {
					v.Read(block+8, 4)
					return &scenario.Failure{Message: "always"}
				},
				Threads: []scenario.Thread{
					{Name: scenario.Main, Body: late(func() scenario.Calls {
						calls := scenario.Calls{call("pthread_mutex_lock"), call("pthread_mutex_unlock")}
						if c.gone != "" {
							calls = append(calls, call(c.gone))
						}
						return append(calls, scenario.Call{Func: "emurace.store32", Args: []scenario.Arg{scenario.Int(block + 8), scenario.Int(7)}})
					})},
					{Name: "worker", Body: scenario.Calls{{Func: "abs", Args: []scenario.Arg{scenario.Int(1)}}}},
				},
			}
			s, err := starter(system(t, "bookworm", arch), plan)(func(*emu.Process) error { return nil })
			must(t, err)
			defer s.Close()
			h, err := NewHistory(s, scenario.Schedule{{Thread: 0}, {Thread: 1}})
			must(t, err)
			x := explain(t, h)
			i := slices.IndexFunc(x.Looks, func(l Look) bool { return l.Addr == block+8 })
			if i < 0 || x.Looks[i].Place != c.want || strings.Contains(x.String(), "pthread_mutex_t.") != (c.want != "") {
				t.Errorf("behind %q: %+v\n%s", c.gone, x.Looks, x)
			}
		})
	}
}
