package target

import "fmt"

// compareWaits compares deadlocks: each thread that is wanted has to have one of its own that waits alike.
// Further threads may wait too, as those of a large process do that have nothing to do with it.
func compareWaits(want, got *End, p Process) Match {
	if len(want.Waits) == 0 {
		return Match{Grade: Function}
	}
	grades := make([][]Grade, len(want.Waits))
	for i := range want.Waits {
		grades[i] = make([]Grade, len(got.Waits))
		for k := range got.Waits {
			grades[i][k] = compareWait(&want.Waits[i], &got.Waits[k], want.Arch, p)
		}
	}
	for g := Instruction; g > None; g-- {
		alone, ok := paired(grades, g)
		if ok {
			return Match{Grade: g}
		}
		if g == Function {
			w := &want.Waits[alone]
			where := "where the one does that is looked for"
			if place := placed(w.Backtrace, w.failing()); len(place) > 0 {
				where = "in " + place[0].Short()
			}
			return Match{Differs: []string{fmt.Sprintf("no thread waits %s, beside those that others of the end are like", where)}}
		}
	}
	return Match{}
}

// compareWait compares how two threads wait.
func compareWait(want, got *Wait, arch string, p Process) Grade {
	like := want.What != "" && want.What == got.What
	place := placed(want.Backtrace, want.failing())
	grade := None
	switch {
	case len(place) > 0:
		grade = compareFrames(place, placed(got.Backtrace, got.failing()), arch, p).Grade
	case like || want.What == "":
		grade = Function
	}
	if grade == Function && like {
		return SameValue
	}
	return grade
}

// paired tells whether each row can have a column of its own in which it has at least a grade, and else
// a row that has none (the augmenting paths of bipartite matching).
func paired(grades [][]Grade, least Grade) (alone int, ok bool) {
	row := map[int]int{} // by column
	var place func(i int, seen map[int]bool) bool
	place = func(i int, seen map[int]bool) bool {
		for k, g := range grades[i] {
			if g < least || seen[k] {
				continue
			}
			seen[k] = true
			if other, taken := row[k]; !taken || place(other, seen) {
				row[k] = i
				return true
			}
		}
		return false
	}
	for i := range grades {
		if !place(i, map[int]bool{}) {
			return i, false
		}
	}
	return 0, true
}
