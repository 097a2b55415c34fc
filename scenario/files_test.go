package scenario

import (
	"strings"
	"testing"

	"emurace/emu"
	"emurace/internal/guestcode"
)

// TestFiles: a plan's file is read by a racing thread, and a library among them has
// its functions called.
func TestFiles(t *testing.T) {
	eachArch(t, func(t *testing.T, sys *emu.System) {
		const content = "a line of a file\n"
		library := guestcode.Library(t, sys.Arch, "libours.so.1", "int twice(int n) { return 2 * n; }\n")
		var buf uint64
		plan := &Plan{
			Libs:  []string{"/opt/ours.so"},
			Files: map[string][]byte{"/opt/ours.so": library, "/etc/line": []byte(content)},
			Setup: func(u *Setup) (err error) {
				buf, err = u.Call(Main, "malloc", Int(64))
				return err
			},
			Threads: []Thread{
				{Main, known(func() Calls {
					return Calls{call("open", Str("/etc/line"), Int(0)), call("read", Int(3), Int(buf), Int(64)), call("twice", Int(21))}
				})},
				{"worker", Calls{call("open", Str("/etc/none"), Int(2)), call("access", Str("/opt/ours.so"), Int(4))}},
			},
		}
		s := begin(t, sys, plan)
		if o := play(t, s, Schedule{{Thread: 0, N: 50}, {Thread: 1, N: 0}, {Thread: 0, N: 0}}); o.Kind != OK {
			t.Fatalf("it ends with %+v", o)
		}
		main, worker := s.Results(0), s.Results(1)
		if text, _ := s.m.CString(buf, 64); text != content || main[1] != uint64(len(content)) || main[2] != 42 {
			t.Errorf("main read %q, results %d", text, main)
		}
		if int32(worker[0]) != -1 || worker[1] != 0 {
			t.Errorf("worker: results %d", worker)
		}
		before := digest(t, s)
		must(t, s.Restart())
		play(t, s, Schedule{{Thread: 0, N: 50}, {Thread: 1, N: 0}, {Thread: 0, N: 0}})
		if digest(t, s) != before {
			t.Error("run again, it is another run")
		}
		plan.Files["no path"] = nil
		if _, err := Start(sys, plan, 1); err == nil || !strings.Contains(err.Error(), `files: "no path"`) {
			t.Errorf("a file without a path: %v", err)
		}
	})
}
