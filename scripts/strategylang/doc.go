// Package strategylang is the language in which schedules are written: Starlark, beside
// that of scenarios and in the same file if its author likes.
//
// A schedule in words is lines of run, each of which lets one thread run up to a
// condition of package words:
//
//	run("main", until = reads("environ"))
//	run("worker", until = returns("setenv"))
//	run("main")
//
// A strategy is a function next(point), which is asked at every scheduling point
// for the thread to run, or for a run:
//
//	def next(point):
//	    return point.choice(point.threads)
//
// A search of one's own is a function search(s), which runs schedules in a loop,
// looks at what they showed, and makes the next ones of it:
//
//	def search(s):
//	    corpus = [[]]
//	    seen = set()
//	    while s.more():
//	        order = list(s.choice(corpus))
//	        if order:
//	            order[s.random(len(order))] = s.choice(s.threads)
//	        r = s.run(order = order)
//	        if [p for p in r.pairs if p not in seen]:
//	            corpus.append(r.order)
//	            seen.update(r.pairs)
//
// With runs and next in one file, each schedule begins with the runs.
package strategylang
