package main

import (
	"fmt"
	"slices"
	"strings"

	"emurace/explore"
	"emurace/internal/programs"
	"emurace/internal/words"
)

// median is how many schedules a bug takes, in the middle of what the seeds needed, and how many
// of them have found it. A seed that has not counts as one that needs more than all others;
// if that leaves no median, it is 0.
func median(list []search) (schedules uint64, found int) {
	var took []uint64
	for _, s := range list {
		if s.Verdict == explore.Failing {
			took = append(took, s.Schedules)
		}
	}
	slices.Sort(took)
	half := len(list) / 2
	if len(list) == 0 || half >= len(took) {
		return 0, len(took)
	}
	if len(list)%2 == 1 {
		return took[half], len(took)
	}
	return (took[half-1] + took[half] + 1) / 2, len(took)
}

// bugCell is what a strategy has made of a bug, as a table has it.
func bugCell(list []search) string {
	m, found := median(list)
	switch {
	case found == 0:
		return "–"
	case m == 0:
		return fmt.Sprintf("%d of %d", found, len(list))
	case found < len(list):
		return fmt.Sprintf("%s, %d of %d", words.Grouped(m), found, len(list))
	}
	return words.Grouped(m)
}

// shown tells whether a strategy finds the bug from most seeds.
func (c *cell) shown(s explore.Strategy) bool {
	m, _ := median(c.Bug[s])
	return m > 0
}

// shownByAny tells whether one of the strategies does.
func (c *cell) shownByAny() bool { return slices.ContainsFunc(strategies, c.shown) }

// row is what the strategies have made of the bug, in the order of the columns.
func (c *cell) row() string {
	var b strings.Builder
	for _, s := range strategies {
		b.WriteString("| " + bugCell(c.Bug[s]) + " ")
	}
	return b.String() + "|"
}

// fails are the kinds of failure that were seen, the commonest first.
func (c *cell) fails() string {
	count := map[string]int{}
	var kinds []string
	for _, s := range strategies {
		for _, one := range c.Bug[s] {
			if one.Fails == "" {
				continue
			}
			if count[one.Fails]++; count[one.Fails] == 1 {
				kinds = append(kinds, one.Fails)
			}
		}
	}
	slices.SortStableFunc(kinds, func(a, b string) int { return count[b] - count[a] })
	return strings.Join(kinds, ", ")
}

// twin is what was made of the repaired program, as a table has it.
func (c *cell) twin() string {
	var parts []string
	for _, s := range c.Twin {
		switch {
		case s.Verdict == explore.Clean:
			parts = append(parts, fmt.Sprintf("**clean**, %s", words.Count(s.Schedules, "schedule")))
		case s.Verdict == explore.Failing:
			parts = append(parts, fmt.Sprintf("**%s** at schedule %s of %s", s.Fails, words.Grouped(s.Schedules), s.Strategy))
		case s.Strategy == dpor && s.Seconds < s.Limit:
			parts = append(parts, "no proof") // it has ended, and why is said below
		case s.Strategy == dpor:
			parts = append(parts, fmt.Sprintf("no proof in %.0f s", s.Limit))
		default:
			parts = append(parts, fmt.Sprintf("quiet, %s", words.Count(s.Schedules, "schedule")))
		}
		if len(s.Doubts) > 0 {
			parts = append(parts, strings.Join(s.Doubts, "; "))
		}
	}
	return strings.Join(parts, "; ")
}

// proved tells whether the twin was proved right.
func (c *cell) proved() bool {
	return slices.ContainsFunc(c.Twin, func(s search) bool { return s.Verdict == explore.Clean })
}

// alarms tells whether something was found in the twin.
func (c *cell) alarms() bool {
	return slices.ContainsFunc(c.Twin, func(s search) bool { return s.Verdict == explore.Failing })
}

// page is docs/programs.md. All places have to be measured.
func (r *results) page(list []programs.Program) (string, error) {
	for _, a := range places(list) {
		if c := r.cell(a); c == nil || c.Cannot == "" && (len(c.Bug) == 0 || len(c.Twin) == 0) {
			return "", fmt.Errorf("%v was not measured; run: make programs", a)
		}
	}
	var b strings.Builder
	fmt.Fprintf(&b, `# Classic bugs

The programs of `+"`testdata/programs`"+` are classic concurrency bugs, small ones, each with a twin in
which the bug is repaired. This page says what `+"`emurace explore -- ./program`"+` makes of them: after how
many schedules it finds the bug, and what it says of the twin. [peers.md](peers.md) says what other tools
make of the same programs. `+"`make programs`"+` measures and writes it anew, in the better part of an hour.

## In short

`)
	r.totals(&b, list)
	r.missed(&b, list)
	r.tables(&b, list)
	r.method(&b)
	return b.String(), nil
}

// totals sums up each architecture and build.
func (r *results) totals(b *strings.Builder, list []programs.Program) {
	b.WriteString("| | build |")
	for _, s := range strategies {
		fmt.Fprintf(b, " %s |", s)
	}
	b.WriteString(" any of them | twins proved right | twins with a finding |\n| --- | --- |" + strings.Repeat(" --- |", len(strategies)+3) + "\n")
	for _, arch := range arches {
		for _, build := range builds {
			ran, any, proved, alarms := 0, 0, 0, 0
			by := map[explore.Strategy]int{}
			for _, p := range list {
				c := r.cell(at{p, arch, build})
				if c.Cannot != "" {
					continue
				}
				ran++
				if c.shownByAny() {
					any++
				}
				for _, s := range strategies {
					if c.shown(s) {
						by[s]++
					}
				}
				if c.proved() {
					proved++
				}
				if c.alarms() {
					alarms++
				}
			}
			fmt.Fprintf(b, "| %v | `%s` |", arch, build.name)
			for _, s := range strategies {
				fmt.Fprintf(b, " %d of %d |", by[s], ran)
			}
			fmt.Fprintf(b, " **%d of %d** | %d of %d | %d of %d |\n", any, ran, proved, ran, alarms, ran)
		}
	}
	fmt.Fprintf(b, `
A bug counts as found by a strategy whose median over %d seeds is at most %s schedules. The twins
are to be proved right; where the proof does not come to its end, no schedule that was run fails, which is
less.

`, seeds, words.Grouped(most))
}

// missed names what no strategy finds, and what can be said of why.
func (r *results) missed(b *strings.Builder, list []programs.Program) {
	b.WriteString("## What is missed\n\n")
	var lines []string
	steps := false
	for _, p := range list {
		for _, arch := range arches {
			for _, build := range builds {
				c := r.cell(at{p, arch, build})
				if c.Cannot != "" || c.shownByAny() {
					continue
				}
				_, most := c.best()
				line := fmt.Sprintf("- `%s` on %v with `%s`: ", p.File, arch, build.name)
				if most == 0 {
					line += "from no seed and by no strategy"
				} else {
					line += fmt.Sprintf("found from %d of %d seeds at most", most, seeds)
				}
				var elsewhere []string
				for _, other := range arches {
					for _, build := range builds {
						if o := r.cell(at{p, other, build}); o.Cannot == "" && o.shownByAny() {
							elsewhere = append(elsewhere, fmt.Sprintf("%v `%s`", other, build.name))
							// The same code but for what the processors have instructions for.
							steps = steps || arch != other && build.name == c.Build && most == 0
						}
					}
				}
				if len(elsewhere) > 0 {
					line += "; it is found on " + strings.Join(elsewhere, ", ")
				}
				lines = append(lines, line+".")
			}
		}
	}
	if len(lines) == 0 {
		fmt.Fprintf(b, "Nothing: in each build each bug is found by one of the strategies within %s schedules.\n\n", words.Grouped(most))
		return
	}
	b.WriteString(strings.Join(lines, "\n") + "\n\n")
	if steps {
		b.WriteString(`What is found on one architecture and never on the other, in the same build, is mostly not between the
other's instructions. A compiler puts two accesses into one where it can: ` + "`ldr q0, [x0]`" + ` on arm64 and ` + "`movups (%rdi), %xmm0`" + `
on amd64 read two words. To emurace that is one step, and on a machine with several processors it need not be: see
[Limits](../README.md#limits).
` + "`-O0`" + ` has no such instructions, or few.

`)
	}
}

// best is the strategy that has found the bug from the most seeds, and from how many.
func (c *cell) best() (explore.Strategy, int) {
	var best explore.Strategy
	most := 0
	for _, s := range strategies {
		if _, found := median(c.Bug[s]); found > most {
			best, most = s, found
		}
	}
	return best, most
}

// tables has a table for each architecture, with the builds of each program.
func (r *results) tables(b *strings.Builder, list []programs.Program) {
	fmt.Fprintf(b, `## Program by program

A number is that of schedules until the bug was found, the median of %d seeds; with "7 of 10" behind it
not every seed has found it within %s, and alone that says that most have not. A dash is none.

`, seeds, words.Grouped(most))
	for _, arch := range arches {
		fmt.Fprintf(b, "### %v\n\n| program | build |", arch)
		for _, s := range strategies {
			fmt.Fprintf(b, " %s |", s)
		}
		b.WriteString(" fails by | twin |\n| --- | --- |" + strings.Repeat(" --- |", len(strategies)+2) + "\n")
		var cannot []string
		for _, p := range list {
			name := fmt.Sprintf("`%s`<br>%s", p.File, p.Title)
			for _, build := range builds {
				c := r.cell(at{p, arch, build})
				if c.Cannot != "" {
					fmt.Fprintf(b, "| %s | `%s` |%s not built | |\n", name, build.name, strings.Repeat(" |", len(strategies)))
					if note := fmt.Sprintf("- `%s` was not built: %s.", p.File, c.Cannot); !slices.Contains(cannot, note) {
						cannot = append(cannot, note)
					}
				} else {
					fmt.Fprintf(b, "| %s | `%s` %s %s | %s |\n", name, build.name, c.row(), c.fails(), c.twin())
				}
				name = ""
			}
		}
		b.WriteString("\n")
		if len(cannot) > 0 {
			b.WriteString(strings.Join(cannot, "\n") + "\n\n")
		}
	}
}

// method says how it was measured.
func (r *results) method(b *strings.Builder) {
	schedules, seconds := uint64(0), 0.0
	for _, c := range r.Cells {
		for _, list := range c.Bug {
			for _, s := range list {
				schedules, seconds = schedules+s.Schedules, seconds+s.Seconds
			}
		}
		for _, s := range c.Twin {
			schedules, seconds = schedules+s.Schedules, seconds+s.Seconds
		}
	}
	fmt.Fprintf(b, `## How it was measured

On %v, and gcc %s, with the flags' defaults but for what is said here, up to %d at a time. All searches
together took %.0f minutes and ran %s.

- The programs run on the glibc of %s. C++ has its library linked in in each build.
- Each strategy searches for a bug from the seeds 1 to %d and has %s schedules. What it finds is the
  first schedule in which the program fails; the number counts from the search's first schedule, and does
  not depend on the machine or on `+"`--jobs`"+`. It does depend on the compiler.
- **clean** is a proof: `+"`--strategy dpor --locks abstract --env LD_BIND_NOW=1`"+` has run one schedule of each class of equivalent ones, and none
  fails. It was tried with each build and had the time that the table says, on a machine that
  did other work too. It holds for sequentially consistent
  memory and for this build, as emurace says below the verdict.
- Quiet is no proof: so many schedules of `+"`pos`"+`, seed 1, and none fails.
- A failure counts only if it is one that the program's head comment names; any other, and any in a
  twin, ends the measurement with an error.

The programs are small and emurace was made with them in sight, though it knows none of them. They say
which kinds of bugs can be found, and not how soon in a large program: there more accesses
are shared, and a schedule takes longer.
`, r.Machine, r.GCC, r.Jobs, seconds/60, words.Count(schedules, "schedule"), suite, seeds, words.Grouped(most))
}
