package suite

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"emurace/scenario"
)

// Arches are the architectures that an expectation without arch is about.
var arches = []string{"arm64", "amd64"}

// Update is the text of a scenario's file with expectations as searches have shown them: those
// that differ are replaced, those that are missing added, and all else is kept byte for byte. An
// expectation goes on to hold for the systems that were not run, if it names its libcs. The
// results are of the file's tests; an error of one, and a search without a verdict that
// its time has ended, change nothing.
//
// The error is that the file's expectations are not plain calls of its own, which only a person can rewrite.
func Update(text string, expected []scenario.Expected, results []Result, budget float64) (string, error) {
	list, err := calls(text)
	if err != nil {
		return "", err
	}
	if len(list) != len(expected) {
		return "", errElsewhere
	}
	u := newUpdate(expected)
	for i := range results {
		u.take(&results[i], budget)
	}
	if len(u.news) == 0 {
		return text, nil
	}
	return u.write(text, list), nil
}

// place is a version of a libc with an architecture.
type place struct{ version, arch string }

// update is what is to become of a scenario's expectations.
type update struct {
	old  []scenario.Expected
	gone []map[place]bool // of each: for which systems it holds no more
	held []map[place]bool // for which it was seen to hold
	news []entry
}

// entry is an expectation of one system, and which of the old ones it replaces, -1 for none.
type entry struct {
	scenario.Expected
	place
	instead int
}

func newUpdate(old []scenario.Expected) *update {
	u := &update{old: old}
	for range old {
		u.gone, u.held = append(u.gone, map[place]bool{}), append(u.held, map[place]bool{})
	}
	return u
}

func (u *update) take(r *Result, budget float64) {
	at := place{r.Version, r.Arch}
	if r.Got == nil || r.Status == Error || r.Version == "" {
		return
	}
	if cut := budget > 0 && !r.Got.Complete && r.Got.Elapsed >= budget; cut && r.Status != Differs {
		return
	}
	if r.Got.Interrupted || r.Got.Verdict == Undecided && len(r.Got.Doubts) == 0 && (r.Want == nil || !Partial(r.Want.Search)) {
		return // somebody or the time has ended it
	}
	var about []int
	for i, e := range u.old {
		if covers(e, at.version, at.arch) {
			about = append(about, i)
		}
	}
	if r.Status == OK && len(about) == 1 {
		u.held[about[0]][at] = true
		return
	}
	e := entry{Expected: scenario.Expected{Verdict: r.Got.Verdict}, place: at, instead: -1}
	if e.Verdict == Failing {
		e.Kinds = r.Got.Kinds()
	}
	if len(about) > 0 {
		e.instead = about[0]
	}
	if r.Want != nil {
		e.Search = r.Want.Search
		if r.Want.Verdict == e.Verdict {
			e.Why = r.Want.Why
		}
	}
	for _, i := range about {
		u.gone[i][at] = true
	}
	u.news = append(u.news, e)
}

// rest is what is left of an old expectation: itself, where all of it still holds.
func (u *update) rest(i int) []scenario.Expected {
	e := u.old[i]
	if len(u.gone[i]) == 0 {
		return []scenario.Expected{e}
	}
	on := arches
	if e.Arch != "" {
		on = []string{e.Arch}
	}
	var left []place
	if len(e.Libc) == 0 {
		// Which other libcs there are nobody knows: it is kept for those that were seen.
		for at := range u.held[i] {
			left = append(left, at)
		}
	}
	for _, version := range e.Libc {
		for _, arch := range on {
			if at := (place{version, arch}); !u.gone[i][at] {
				left = append(left, at)
			}
		}
	}
	var list []entry
	for _, at := range left {
		list = append(list, entry{Expected: e, place: at})
	}
	return grouped(list)
}

// grouped makes expectations of systems, as few as there can be.
func grouped(list []entry) []scenario.Expected {
	type group struct {
		e        scenario.Expected
		versions map[string][]string // architectures by version
	}
	var groups []*group
	same := func(a, b scenario.Expected) bool {
		return a.Verdict == b.Verdict && slices.Equal(a.Kinds, b.Kinds) && a.Search == b.Search && a.Why == b.Why
	}
	for _, e := range list {
		i := slices.IndexFunc(groups, func(g *group) bool { return same(g.e, e.Expected) })
		if i < 0 {
			i = len(groups)
			groups = append(groups, &group{e.Expected, map[string][]string{}})
		}
		if v := groups[i].versions; !slices.Contains(v[e.version], e.arch) {
			v[e.version] = append(v[e.version], e.arch)
		}
	}
	var out []scenario.Expected
	for _, g := range groups {
		for _, arch := range append([]string{""}, arches...) {
			e := g.e
			e.Arch, e.Libc = arch, nil
			for version, on := range g.versions {
				if both := len(on) == len(arches); arch == "" && both || arch != "" && !both && slices.Contains(on, arch) {
					e.Libc = append(e.Libc, version)
				}
			}
			if len(e.Libc) > 0 {
				slices.SortFunc(e.Libc, byVersion)
				out = append(out, e)
			}
		}
	}
	return out
}

// byVersion puts 2.9 before 2.31.
func byVersion(a, b string) int {
	x, y := strings.Split(a, "."), strings.Split(b, ".")
	for i := range min(len(x), len(y)) {
		m, errM := strconv.Atoi(x[i])
		n, errN := strconv.Atoi(y[i])
		if c := cmp.Compare(m, n); errM == nil && errN == nil && c != 0 {
			return c
		}
	}
	return strings.Compare(a, b)
}

// write puts what has become of the expectations in the places of those that were there, and
// the rest behind the last of them, or at the end.
func (u *update) write(text string, list []call) string {
	var b strings.Builder
	end := 0 // of what was written
	var added []entry
	for _, e := range u.news {
		if e.instead < 0 {
			added = append(added, e)
		}
	}
	for i, c := range list {
		var here []entry
		for _, e := range u.news {
			if e.instead == i {
				here = append(here, e)
			}
		}
		become := u.rest(i)
		if len(u.gone[i]) > 0 {
			become = append(become, grouped(here)...)
		}
		from, to := c.from, c.to
		lines := ""
		if len(u.gone[i]) > 0 {
			lines = statements(become)
			if lines == "" {
				from, to, lines = cut(text, c)
			}
		} else {
			lines = text[from:to]
		}
		b.WriteString(text[end:from])
		b.WriteString(lines)
		end = to
		if i < len(list)-1 || len(added) == 0 {
			continue
		}
		if more := statements(grouped(added)); to > c.to { // the line is gone, with its end
			b.WriteString(more + "\n")
		} else {
			remark, _, _ := strings.Cut(text[to:], "\n")
			if strings.HasPrefix(strings.TrimSpace(remark), "#") {
				b.WriteString(remark)
				end += len(remark)
			}
			b.WriteString("\n" + more)
		}
		added = nil
	}
	b.WriteString(text[end:])
	if len(added) > 0 {
		if s := b.String(); s != "" && !strings.HasSuffix(s, "\n") {
			b.WriteString("\n")
		}
		b.WriteString("\n" + statements(grouped(added)) + "\n")
	}
	return b.String()
}

// statements are expectations as a scenario writes them, without the last line end.
func statements(list []scenario.Expected) string {
	var lines []string
	for _, e := range list {
		s := fmt.Sprintf("expect(%s", quote(e.Verdict))
		for _, arg := range []struct{ name, value string }{
			{"libc", strings.Join(e.Libc, " ")}, {"arch", e.Arch}, {"kind", strings.Join(e.Kinds, " ")}, {"search", e.Search}, {"why", e.Why},
		} {
			if arg.value != "" {
				s += fmt.Sprintf(", %s = %s", arg.name, quote(arg.value))
			}
		}
		lines = append(lines, s+")")
	}
	return strings.Join(lines, "\n")
}

// quote is a text of Starlark. What it holds has come out of a script as printable text.
func quote(text string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`, "\t", `\t`, "\r", `\r`).Replace(text) + `"`
}
