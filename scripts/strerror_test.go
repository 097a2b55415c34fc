package scripts

import (
	"strings"
	"testing"

	"emurace/emu"
	"emurace/explore"
	"emurace/scenario"
	"emurace/symbolize"
	"emurace/sysroot"
)

// starterOf makes sessions of a scenario that ships, with some settings.
func starterOf(t testing.TB, sys *emu.System, name string, settings ...string) func() (*scenario.Session, error) {
	t.Helper()
	sc := Get(name)
	v, err := sc.Settle(settings)
	must(t, err)
	return func() (*scenario.Session, error) {
		plan, err := sc.Build(v)
		if err != nil {
			return nil, err
		}
		return scenario.Start(sys, plan, 1)
	}
}

// The way in which the article's crash was come upon: main dies of SIGSEGV in the getenv of
// gettext, which strerror called, at the address that malloc wrote as a size.
func TestStrerrorDiesInGetenv(t *testing.T) {
	eachSystem(t, []string{"bookworm", "bullseye"}, func(t *testing.T, sys *emu.System) {
		begin := starterOf(t, sys, "strerror-setenv")
		r, err := explore.DPOR(t.Context(), begin, explore.Options{Jobs: 1})
		must(t, err)
		if r.Verdict != explore.Failing || len(r.Findings) != 1 {
			t.Fatalf("%+v", r)
		}
		s, err := begin()
		must(t, err)
		defer s.Close()
		sys.LoadDebug() // names what libc keeps to itself
		must(t, s.Play(r.Findings[0].Schedule))
		o, over := s.Outcome()
		if !over || o.Kind != scenario.Segv || s.Names()[o.Thread] != scenario.Main || o.End.Addr != answer {
			t.Fatalf("it ends as %v", o)
		}
		var stack []string
		for _, l := range symbolize.Backtrace(s.Process(), o.Thread) {
			stack = append(stack, l.Function)
		}
		// From 2.32 on strerror is a jump to strerror_l.
		if got := strings.TrimSuffix(strings.Join(stack, " < "), "_l"); got != "getenv < __dcigettext < strerror" {
			t.Errorf("main is in %s", strings.Join(stack, " < "))
		}
	})
}

// In which locales strerror asks for LANGUAGE: what the scenario says of it.
func TestStrerrorAsks(t *testing.T) {
	eachSystem(t, sysroot.Suites(), func(t *testing.T, sys *emu.System) {
		for locale, suites := range map[string]string{
			"C": "", "C.UTF-8": "bullseye bookworm", "C_XX.UTF-8": "bullseye bookworm trixie forky",
		} {
			s, err := starterOf(t, sys, "strerror-setenv", "locale="+locale)()
			must(t, err)
			defer s.Close()
			var asked []string
			must(t, s.Process().TraceCalls([]string{"getenv"}, func(e emu.CallEvent) {
				if !e.Returned {
					name, _ := s.Process().CString(e.Args[0], 100)
					asked = append(asked, name)
				}
			}))
			_, err = s.Run(0, 0)
			must(t, err)
			want := ""
			if strings.Contains(suites, strings.Split(t.Name(), "/")[1]) {
				want = "LANGUAGE"
			}
			if got := strings.Join(asked, " "); got != want {
				t.Errorf("%s: getenv was called for %q, want %q", locale, got, want)
			}
		}
	})
}
