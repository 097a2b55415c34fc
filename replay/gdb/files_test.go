package gdb

import (
	"testing"

	"emurace/internal/guestcode"
	"emurace/internal/testrace"
	"emurace/internal/testsystem"
	"emurace/loader"
	"emurace/scenario"
)

// TestOwnLibrary: gdb reads a library that the scenario gave as a file, and comes
// back from the made-up program's own functions into it.
func TestOwnLibrary(t *testing.T) {
	const source = `
long follow(long (*load)(const long *), const long *p)
{
	return load(p) + 1;
}
`
	testsystem.EachArch(t, func(t *testing.T, arch loader.Arch) {
		var load uint64
		plan := &scenario.Plan{
			Libs:  []string{"/opt/ours.so"},
			Files: map[string][]byte{"/opt/ours.so": guestcode.Library(t, arch, "", source)},
			Setup: func(u *scenario.Setup) (err error) {
				load, err = u.Lookup("emurace.load64")
				return err
			},
			Threads: []scenario.Thread{{Name: scenario.Main, Body: testrace.Called(func() scenario.Calls {
				return scenario.Calls{{Func: "follow", Args: []scenario.Arg{scenario.Int(load), scenario.Int(0x220)}}}
			})}},
		}
		s := show(t, testsystem.Of(t, "bookworm", arch), plan, scenario.Schedule{{Thread: 0}})
		check(t, s, s.symbols(), []question{
			{"bt", []string{`^#0 .* in emurace\.load64 \(\)$`, `^#1 .* in follow \(load=.*, p=.*\) at guest\.c:4$`, `^#2 .* in emurace_program \(\)\n?\z`}},
			{"info sharedlibrary", []string{`Yes +target:/opt/ours\.so$`}},
			{"x/i $pc", []string{`^=> 0x[0-9a-f]+ <emurace\.load64(\+0)?>:`}},
			{"reverse-finish", []string{`follow`}},
		})
	})
}
