// Package suggest finds names that are nearly the same as one that nothing has, for
// errors to offer.
package suggest

import (
	"iter"
	"slices"
	"strings"
)

// most is how many names are offered.
const most = 5

// Names are those that differ from a name in a few characters, the nearest first, at
// most five. What is compared is not the names themselves but what form makes of them.
func Names(name string, among iter.Seq[string], form func(string) string) []string {
	wanted := form(name)
	far := map[string]int{}
	for other := range among {
		if d := distance(wanted, form(other)); d <= 1+len(name)/4 {
			far[other] = d
		}
	}
	list := make([]string, 0, len(far))
	for other := range far {
		list = append(list, other)
	}
	slices.SortFunc(list, func(a, b string) int {
		switch {
		case far[a] != far[b]:
			return far[a] - far[b]
		case len(a) != len(b):
			return len(a) - len(b)
		}
		return strings.Compare(a, b)
	})
	return list[:min(most, len(list))]
}

// distance is how many characters have to be put in, left out or exchanged to make
// one name of the other; far more when their lengths say so already.
func distance(a, b string) int {
	if d := len(a) - len(b); d > 3 || d < -3 {
		return 1 << 10
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		corner := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := corner
			if a[i] != b[j] {
				change++
			}
			corner = row[j+1]
			row[j+1] = min(change, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
