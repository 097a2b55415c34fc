package cycles

import (
	"slices"
	"strconv"
	"strings"
)

// families are the names of cycles by what their threads do first and last and the communication between those.
var families = map[string]string{
	"WW rfe RR fre": "MP", "WR fre WR fre": "SB", "RW rfe RW rfe": "LB", "WW coe WR fre": "R", "WW rfe RW coe": "S",
	"WW coe WW coe": "2+2W", "W rfe RW rfe RR fre": "WRC", "W rfe RR fre WR fre": "RWC", "W rfe RW rfe RW coe": "WWC",
	"W rfe RW coe WR fre": "WRW+WR", "W rfe RR fre WW coe": "WRR+2W", "W rfe RW coe WW coe": "WRW+2W",
	"WW rfe RR fre WR fre": "W+RWC", "WW rfe RW rfe RR fre": "ISA2", "WW rfe RW coe WR fre": "Z6.0",
	"WW coe WW rfe RW coe": "Z6.1", "WW rfe RW rfe RW coe": "Z6.2", "WW coe WW rfe RR fre": "Z6.3",
	"WW coe WR fre WR fre": "Z6.4", "WW coe WW coe WR fre": "Z6.5", "W rfe RR fre W rfe RR fre": "IRIW",
	"W rfe RR fre W rfe RW coe": "IRRWIW", "W rfe RW coe W rfe RW coe": "IRWIW",
}

// threadsOf cuts a cycle, which begins with a thread, into threads.
func threadsOf(cycle []edge) (threads [][]edge) {
	for from, i := 0, 0; i < len(cycle); i++ {
		if cycle[i].outside() {
			threads = append(threads, cycle[from:i+1])
			from = i + 1
		}
	}
	return threads
}

// name is the name of a test: the family's, and what is in each thread between its accesses, if it is not the same
// plain program order everywhere.
func name(cycle []edge) string {
	threads := threadsOf(cycle)
	family := families[key(threads)]
	if family == "" {
		family = plainFamily(threads)
	}
	var inside []string
	for _, list := range threads {
		var parts []string
		for _, e := range list[:len(list)-1] {
			parts = append(parts, e.name())
		}
		if parts != nil {
			inside = append(inside, strings.Join(parts, "-"))
		}
	}
	all := slices.Compact(slices.Clone(inside))
	switch {
	case len(all) == 1 && all[0] == "po":
		return family
	case len(all) == 1 && len(inside) > 1:
		return family + "+" + all[0] + "s"
	}
	return family + "+" + strings.Join(inside, "+")
}

// accesses are a thread's first and last, R or W; one letter where it has one only.
func accesses(thread []edge) string {
	first, last := thread[0].from, thread[len(thread)-1].from
	if len(thread) == 1 {
		return string(first)
	}
	return string([]byte{first, last})
}

func key(threads [][]edge) string {
	var words []string
	for _, list := range threads {
		e := list[len(list)-1]
		e.marks = [2]byte{'P', 'P'}
		words = append(words, accesses(list), e.name())
	}
	return strings.Join(words, " ")
}

// plainFamily is 3.SB and the like, and for others what their threads do.
func plainFamily(threads [][]edge) string {
	same := map[string]string{"WR fre": "SB", "RW rfe": "LB", "WW coe": "2W"}[key(threads[:1])]
	var words []string
	for _, list := range threads {
		if key([][]edge{list}) != key(threads[:1]) {
			same = ""
		}
		words = append(words, accesses(list))
	}
	if same != "" {
		return strconv.Itoa(len(threads)) + "." + same
	}
	return strings.Join(words, "+")
}
