package draft

import (
	"fmt"
	"slices"
	"strings"

	"emurace/diagnose"
	"emurace/heap/arena"
	"emurace/loader"
)

// tunablesVariable is the variable that tunables are read from.
const tunablesVariable = "GLIBC_TUNABLES"

// maxVariables bounds the environment that is written down.
const maxVariables = 4096

// before is how many entries environ had before the race: those of the array that the dead thread
// walks, or all.
func (w *draft) before() []diagnose.Entry {
	e := w.Environ
	if e == nil {
		return nil
	}
	n := len(e.Entries)
	if old, ok := w.OldEntries(); ok {
		n = min(n, old)
	}
	return e.Entries[:min(n, maxVariables)]
}

// given tells whether a variable was there when the process began: its text is where the kernel has
// put it, on the main thread's stack.
func (w *draft) given(e diagnose.Entry) bool {
	if e.Name() == tunablesVariable { // of which the dynamic linker makes a copy
		return true
	}
	at, ok := w.Process.Core.Aux(loader.AT_EXECFN)
	if !ok {
		at, ok = w.Process.Core.Aux(loader.AT_RANDOM)
	}
	r, found := w.Process.Core.Range(at)
	return ok && found && e.Addr >= r.Lo && e.Addr < r.Hi
}

// variable tells whether an entry is one as NAME=value; else something has been written over it.
func variable(e diagnose.Entry) bool {
	name, _, found := strings.Cut(e.Text, "=")
	return e.Known && found && name != "" && !strings.ContainsFunc(e.Text, func(r rune) bool { return r == 0xfffd || r < ' ' && r != '\t' && r != '\n' })
}

// later are the variables that were set before the race, by setenv.
func (w *draft) later() (list []diagnose.Entry) {
	for _, e := range w.before() {
		if variable(e) && !w.given(e) {
			list = append(list, e)
		}
	}
	return list
}

// environment declares the variables that the process began with.
func (w *draft) environment() {
	seen := map[string]bool{}
	lines, spare := w.cacheSetting()
	for i, e := range w.before() {
		if variable(e) && !w.given(e) {
			continue
		}
		name, value, _ := strings.Cut(e.Text, "=")
		if !variable(e) && spare {
			spare = false // the tunable's variable takes its place
			continue
		}
		if !variable(e) || seen[name] {
			name, value = fmt.Sprintf("EMURACE_%03d", i), ""
		}
		seen[name] = true
		if name == tunablesVariable {
			lines = append(lines, w.tunables(value)...)
			continue
		}
		if w.Private && name != "LANGUAGE" && !strings.HasPrefix(name, "LC_") && name != "LANG" {
			value = strings.Repeat("x", min(len(value), 64))
		}
		lines = append(lines, fmt.Sprintf("env(%s, %s)", quoted(name), quoted(value)))
	}
	if len(lines) == 0 {
		return
	}
	w.line("# The environment when the process began: %d variables; %d more were set before the race.", len(lines), len(w.later()))
	for _, l := range lines {
		w.line("%s", l)
	}
	w.line("")
}

// cacheSetting declares how many blocks the bins of caches have, where that is known from malloc
// alone: the variable that said it has been written over.
func (w *draft) cacheSetting() (lines []string, set bool) {
	if slices.ContainsFunc(w.before(), func(e diagnose.Entry) bool { return e.Name() == tunablesVariable }) || w.Malloc == nil {
		return nil, false
	}
	count, ok := w.Malloc.Tcache()
	if !ok || count != 0 {
		return nil, false
	}
	return []string{`tunable("glibc.malloc.tcache_count", 0)`}, true
}

// tunables are declarations of what GLIBC_TUNABLES says. Declared tunables are in one variable, as
// they were.
func (w *draft) tunables(value string) (lines []string) {
	for setting := range strings.SplitSeq(value, ":") {
		if name, v, ok := strings.Cut(setting, "="); ok && strings.HasPrefix(name, "glibc.") {
			lines = append(lines, fmt.Sprintf("tunable(%s, %s)", quoted(name), quoted(v)))
		}
	}
	if len(lines) > 1 {
		// Several declarations make one variable: the others of them are none.
		lines = []string{strings.Join(lines, "; ")}
	}
	return lines
}

// setup makes what was there when the race began: the locale, variables that were set, arenas, what
// malloc keeps behind the environment's block, and full bins of a thread's cache.
func (w *draft) setup() {
	var lines []string
	for _, e := range w.later() {
		name, value, _ := strings.Cut(e.Text, "=")
		if w.Private {
			value = strings.Repeat("x", min(len(value), 64))
		}
		lines = append(lines, fmt.Sprintf(`p.call("setenv", %s, %s, 1%s) # its text is in the heap`, quoted(name), quoted(value), w.byArena(e.Addr)))
	}
	if len(lines) > 0 {
		lines = append(lines, `p.call("malloc", 24) # something in use behind environ, as in any program that has gone on working`)
	}
	lines = append(lines, w.locale()...)
	lines = append(lines, w.arenas()...)
	if len(lines) == 0 {
		return
	}
	w.needs = true
	w.line("def prepare(p):")
	for _, l := range lines {
		w.line("    %s", l)
	}
	w.line("")
}

// byArena names the thread that makes a call in setup, when the arena of an address is one thread's of
// the scenario that is not main.
func (w *draft) byArena(addr uint64) string {
	if w.Malloc == nil {
		return ""
	}
	o, ok := w.Malloc.Owners(addr)
	if !ok || len(o.Threads) != 1 {
		return ""
	}
	for _, t := range w.threads {
		if t.of.TID == w.Malloc.Threads[o.Threads[0]].ID && t.name != "main" {
			return ", thread = " + quoted(t.name)
		}
	}
	return ""
}

// locale is the locale that was set. Its names are in _nl_global_locale, struct __locale_struct of
// glibc's locale/bits/types/__locale_t.h: 13 categories, three tables, 13 names.
func (w *draft) locale() []string {
	const categories, tables, all, messages = 13, 3, 6, 5
	p := w.Process
	at, ok := p.Lookup("_nl_global_locale")
	if !ok {
		return nil
	}
	names := map[int]string{}
	for i := range categories {
		v, ok := p.Read64(at + uint64(8*(categories+tables+i)))
		if !ok {
			return nil
		}
		if text, ok := p.Text(v); ok && i != all && len(text) < 256 {
			names[i] = text
		}
	}
	name := names[messages]
	if name == "" || name == "C" || name == "POSIX" {
		return nil
	}
	w.line("package(\"libc-bin\") # has the files of a locale that is not C")
	w.line("")
	const usual = "C.UTF-8" // which no sysroot lacks
	if name == usual {
		return []string{fmt.Sprintf(`p.call("setlocale", %d, %s) # LC_ALL`, all, quoted(usual))}
	}
	return []string{
		fmt.Sprintf(`if p.call("setlocale", %d, %s) == 0: # LC_ALL`, all, quoted(name)),
		fmt.Sprintf(`    p.call("setlocale", %d, %s) # which no sysroot lacks`, all, quoted(usual)),
	}
}

// arenas has threads make their own, and fill the bins of their caches that were full.
func (w *draft) arenas() (lines []string) {
	m := w.Malloc
	if m == nil {
		return nil
	}
	for i, h := range m.Threads {
		k := slices.IndexFunc(w.threads, func(t *thread) bool { return t.of.TID == h.ID })
		if k < 0 || w.threads[k].name == "main" || h.Arena == nil || h.Arena.Main {
			continue
		}
		name := quoted(w.threads[k].name)
		lines = append(lines, fmt.Sprintf(`p.call("malloc", 24, thread = %s) # which has an arena of its own`, name))
		lines = append(lines, w.full(i, name)...)
	}
	return lines
}

// full fills the bin of a thread's cache for the block that the dead thread uses, when it has one
// that was full.
func (w *draft) full(i int, name string) []string {
	cache := w.Malloc.Threads[i].Cache
	c, ok := w.UsedBlock()
	count, known := w.Malloc.Tcache()
	if cache == nil || !ok || !known || count == 0 {
		return nil
	}
	for _, l := range w.Malloc.Lists {
		if l.Cache == cache && l.Kind == arena.InCache && l.Size == c.Size && uint64(l.Count) >= count {
			size := c.Block().Hi - c.Block().Lo
			return []string{
				fmt.Sprintf("for block in [p.call(\"malloc\", %d, thread = %s) for _ in range(%d)]: # its cache was full of such blocks", size, name, l.Count),
				fmt.Sprintf("    p.call(\"free\", block, thread = %s)", name),
			}
		}
	}
	return nil
}
