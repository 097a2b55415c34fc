package emu

import (
	"strings"
	"testing"

	"emurace/unwind"
)

// lcAll and codeset are glibc's LC_ALL (locale/bits/locale.h) and CODESET (langinfo.h).
const (
	lcAll   = 6
	codeset = 14
)

// utf8Locale is the locale that Debian's libc-bin of a suite has.
func utf8Locale(suite string) string {
	if suite == "bullseye" {
		return "C.UTF-8"
	}
	return "C.utf8"
}

func suiteOf(t *testing.T) string { return strings.Split(t.Name(), "/")[1] }

// TestLocale sets the locale of libc-bin, whose files the guest finds and maps by
// itself, and asks for what it changes.
func TestLocale(t *testing.T) {
	eachSystem(t, func(t *testing.T, p *process) {
		name := utf8Locale(suiteOf(t))
		if got := p.text(p.call(0, "nl_langinfo", codeset)); got != "ANSI_X3.4-1968" {
			t.Errorf("the codeset before is %s", got)
		}
		if r := p.call(0, "setlocale", lcAll, p.str("xx_YY.UTF-8")); r != 0 {
			t.Errorf("a locale that is not there is %q", p.text(r))
		}
		r := p.call(0, "setlocale", lcAll, p.str(name))
		if r == 0 || p.text(r) != name {
			t.Fatalf("setlocale: %#x, errno %d", r, p.errno())
		}
		if got := p.text(p.call(0, "nl_langinfo", codeset)); got != "UTF-8" {
			t.Errorf("the codeset is %s", got)
		}
		lconv := p.call(0, "localeconv")
		if got := p.text(p.word(lconv)); got != "." {
			t.Errorf("decimal_point is %q", got)
		}
		wide := p.bytes(make([]byte, 64))
		if n := p.call(0, "mbstowcs", wide, p.str("aé€"), 16); n != 3 || p.word(wide+8)&0xffffffff != 0x20ac {
			t.Errorf("mbstowcs: %d, %#x", n, p.word(wide+8))
		}
		if u := p.unknownSyscalls(); len(u) != 0 {
			t.Errorf("unknown system calls: %v", u)
		}
	})
}

// foreign is a locale that libc-bin does not have: the files of the one it has,
// under another name.
const foreign = "en_US.utf8"

func foreignLocale(t *testing.T, sys *System, suite string) map[string][]byte {
	t.Helper()
	files := map[string][]byte{}
	for _, category := range strings.Fields(`LC_ADDRESS LC_COLLATE LC_CTYPE LC_IDENTIFICATION LC_MEASUREMENT
		LC_MESSAGES/SYS_LC_MESSAGES LC_MONETARY LC_NAME LC_NUMERIC LC_PAPER LC_TELEPHONE LC_TIME`) {
		b, err := sys.File("/usr/lib/locale/" + utf8Locale(suite) + "/" + category)
		if err != nil {
			t.Fatal(err)
		}
		files["/usr/lib/locale/"+foreign+"/"+category] = b
	}
	return files
}

// registers are a thread's by DWARF number, for unwind.
type registers struct{ p *process }

func (r registers) Get(dwarf uint64) (uint64, bool) {
	return r.p.Register(0, unwind.RegisterName(r.p.Arch(), dwarf))
}

// stack names the functions that the main thread is in, innermost first.
func (p *process) stack(pc uint64) string {
	var modules []unwind.Module
	for _, mod := range p.Modules() {
		modules = append(modules, unwind.Module{Lo: mod.Lo, Hi: mod.Hi, Base: mod.Base, Image: mod.Image})
	}
	var names []string
	for _, f := range unwind.Stack(p.Arch(), pc, registers{p}, p, modules, 50) {
		if f.Module != nil {
			names = append(names, f.Symbol)
		}
	}
	return strings.Join(names, " < ")
}

// getenvCalls are the names that getenv is called with during a call, each with the
// functions on the way there.
func (p *process) getenvCalls(fn string, args ...uint64) (result uint64, calls []string) {
	p.t.Helper()
	if err := p.TraceCalls([]string{"getenv"}, func(e CallEvent) {
		if !e.Returned {
			name, _ := p.CString(e.Args[0], 100)
			calls = append(calls, name+": "+p.stack(p.fn("getenv")))
		}
	}); err != nil {
		p.t.Fatal(err)
	}
	defer p.stopTracing()
	return p.call(0, fn, args...), calls
}

// TestStrerrorAsksForTheLanguage: strerror translates, and so reads the environment,
// in every locale but C; for 2.41 and 2.43, not for 2.31 and 2.36, C.utf8 counts as
// C. It is the way that the article's crash took, by __dcgettext, which jumps to
// __dcigettext and so is not on the stack. Debug files name what libc keeps to itself.
func TestStrerrorAsksForTheLanguage(t *testing.T) {
	const einval = 22
	eachSystem(t, func(t *testing.T, p *process) {
		suite := suiteOf(t)
		p = bootWith(t, suite, p.Arch(), Options{Env: []string{"LANGUAGE=xx"}, Files: foreignLocale(t, p.System(), suite)})
		p.System().LoadDebug()
		old := suite == "bullseye" || suite == "bookworm" // 2.31, 2.36
		for _, c := range []struct {
			locale string
			asks   bool
		}{{"C", false}, {utf8Locale(suite), old}, {foreign, true}} {
			if r := p.call(0, "setlocale", lcAll, p.str(c.locale)); r == 0 {
				t.Fatalf("setlocale(%s): errno %d", c.locale, p.errno())
			}
			message, calls := p.getenvCalls("strerror", einval)
			if got := p.text(message); got != "Invalid argument" {
				t.Errorf("strerror: %q", got)
			}
			t.Logf("strerror in %s: %q", c.locale, calls)
			if !c.asks {
				if len(calls) != 0 {
					t.Errorf("%s: getenv was called: %q", c.locale, calls)
				}
				continue
			}
			const stack = "LANGUAGE: getenv < __dcigettext < strerror" // or strerror_l, which strerror jumps to
			if len(calls) != 1 || strings.TrimSuffix(calls[0], "_l") != stack {
				t.Errorf("%s: %q", c.locale, calls)
			}
			l := p.trace("strerror", "__dcgettext", "getenv")
			p.call(0, "strerror", einval)
			p.stopTracing()
			const way = ">strerror .>__dcgettext ..>getenv ..<getenv .<__dcgettext <strerror"
			if got := l.take(); got != way {
				t.Errorf("%s: %s", c.locale, got)
			}
		}
		if u := p.unknownSyscalls(); len(u) != 0 {
			t.Errorf("unknown system calls: %v", u)
		}
	})
}
