package portable

import (
	"strings"
	"testing"

	"emurace/internal/testsystem"
	"emurace/loader"
	"emurace/scenario"
)

// TestMember: members of the C library's objects are found by the last parts of their paths, where the
// library's own types have them: at other places than another version's.
func TestMember(t *testing.T) {
	for _, suite := range []string{"bullseye", "bookworm", "trixie"} {
		sys := testsystem.Of(t, suite, loader.ARM64)
		s, err := scenario.Start(sys, &scenario.Plan{
			Setup: func(u *scenario.Setup) error {
				for _, d := range []struct {
					name string
					size uint64
				}{{"cond", 48}, {"small", 8}} {
					if _, err := u.Data(d.name, d.size); err != nil {
						return err
					}
				}
				return nil
			},
			Threads: []scenario.Thread{{Name: scenario.Main, Body: scenario.Calls(nil)}},
		}, 1)
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		n := newNames(s)
		for _, c := range []struct {
			data, member string
			typ          string // whose member at the place it is
			wrong        string
		}{
			{"cond", "__g_signals", "pthread_cond_t", ""},
			{"cond", "__data.__g_signals", "pthread_cond_t", ""},
			{"cond", "__wrefs", "pthread_cond_t", ""},
			{"cond", "__owner", "pthread_mutex_t", ""},
			{"cond", "g_signals", "", "no type of the C library's has this member"},
			{"cond", "__data", "", "no type"},
			{"small", "__g_signals", "", "no type"}, // it does not fit
		} {
			at, err := n.object(Symbol{Name: c.data})
			if err != nil {
				t.Fatal(err)
			}
			off, err := n.member(at, Loc{Symbol: Symbol{Name: c.data}, Member: c.member})
			if c.wrong != "" {
				if err == nil || !strings.Contains(err.Error(), c.wrong) {
					t.Errorf("%s: %s.%s: %d, %v", suite, c.data, c.member, off, err)
				}
				continue
			}
			libc, _ := s.Process().Libc()
			path, _ := libc.Image.MemberAt(c.typ, off)
			if suite == "bullseye" && path == "" { // there they are libpthread's
				for _, mod := range s.Process().Modules() {
					if mod.Image.Soname == "libpthread.so.0" {
						path, _ = mod.Image.MemberAt(c.typ, off)
					}
				}
			}
			if err != nil || !ends(strings.TrimSuffix(path, "[0]"), c.member) {
				t.Errorf("%s: %s.%s: %d, which is %q, %v", suite, c.data, c.member, off, path, err)
			}
		}
	}
	several := &MemberError{Loc: Loc{Symbol: Symbol{Name: "x"}, Member: "m"}, Types: []string{"a", "b"}}
	if text := several.Error(); text != "x.m: a member of several types, at different places: a, b" || !strings.Contains(several.Hint(), "whole path") {
		t.Errorf("%s; %s", text, several.Hint())
	}
}
