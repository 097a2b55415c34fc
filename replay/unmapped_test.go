package replay

import (
	"strings"
	"testing"

	"emurace/emu"
	"emurace/loader"
	"emurace/scenario"
)

// A page that is there when the race begins and is unmapped, or forbidden, by the
// worker while main is in a string function: the explanation names the system call,
// among others, and none where the page was gone before.
func TestUnmapped(t *testing.T) {
	const size = 2 * loader.PageSize
	for _, c := range []struct {
		what   string
		libc   string
		worker []string // functions that get the block, after a call that matters to nobody
		before string   // called in Setup
		call   string   // of the worker that is to be named; "" for none
		tell   string
	}{
		{"unmapped", "bookworm", []string{"getppid", "munmap", "getppid"}, "", "munmap", "That address was mapped until worker made a system call, in its call of munmap("},
		{"forbidden", "bookworm", []string{"getppid", "mprotect"}, "", "mprotect", "Its page allowed that until worker made a system call, in its call of mprotect("},
		{"unmapped, on musl", "bookworm/musl", []string{"munmap", "getppid"}, "", "munmap", "munmap+"},
		{"gone before", "bookworm", []string{"getppid", "getppid"}, "munmap", "", ""},
	} {
		for _, arch := range arches() {
			x := explainUnmapped(t, system(t, c.libc, arch), c.worker, c.before, size)
			f := x.Finding()
			switch {
			case c.call == "":
				if x.Unmapped != nil || f.UnmappedBy != nil {
					t.Errorf("%s, %v: by %+v", c.what, arch, x.Unmapped)
				}
			case x.Unmapped == nil || x.Unmapped.Thread != "worker" || !strings.HasPrefix(x.Unmapped.Call, c.call+"(") || !systemCall(strings.Fields(x.Unmapped.Instruction)[0]):
				t.Errorf("%s, %v: by %+v", c.what, arch, x.Unmapped)
			case f.UnmappedBy == nil || f.UnmappedBy.Step != x.Unmapped.Step:
				t.Errorf("%s, %v: reported as %+v", c.what, arch, f.UnmappedBy)
			}
			text := x.String()
			if !strings.Contains(text, c.tell) || c.tell == "" && strings.Contains(text, "made a system call") {
				t.Errorf("%s, %v: %q is not told:\n%s", c.what, arch, c.tell, text)
			}
		}
	}
}

// explainUnmapped lets the worker make its calls and main then look for a character
// in a block of so many bytes, all of them zero but its first page.
func explainUnmapped(t *testing.T, sys *emu.System, worker []string, before string, size uint64) *Explanation {
	t.Helper()
	plan := &scenario.Plan{}
	block := func(fn string) scenario.Call {
		c := scenario.Call{Func: fn}
		if fn != "getppid" {
			// At this address nothing else lies in a process that has just begun.
			c.Args = []scenario.Arg{scenario.Int(0x20000000), scenario.Int(size), scenario.Int(0)}
		}
		return c
	}
	var calls scenario.Calls
	for _, fn := range worker {
		calls = append(calls, block(fn))
	}
	plan.Setup = func(u *scenario.Setup) error {
		const private, fixed, anonymous = 0x2, 0x10, 0x20
		_, err := u.Call("main", "mmap", scenario.Int(0x20000000), scenario.Int(size), scenario.Int(3),
			scenario.Int(private|fixed|anonymous), scenario.Int(^uint64(0)), scenario.Int(0))
		if err == nil && before != "" {
			_, err = u.Call("main", before, block(before).Args...)
		}
		return err
	}
	plan.Threads = []scenario.Thread{
		{Name: "main", Body: scenario.Calls{{Func: "strlen", Args: []scenario.Arg{scenario.Int(0x20000000 + loader.PageSize)}}}},
		{Name: "worker", Body: calls},
	}
	s, err := scenario.Start(sys, plan, 1)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	h, err := NewHistory(s, scenario.Schedule{{Thread: 1}, {Thread: 0}})
	if err != nil {
		t.Fatal(err)
	}
	x, err := Explain(h)
	if err != nil {
		t.Fatal(err)
	}
	if o := x.Outcome; o.Kind != scenario.Segv {
		t.Fatalf("it ended with %v", o)
	}
	return x
}
