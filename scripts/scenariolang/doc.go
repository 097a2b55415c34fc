// Package scenariolang is the language in which scenarios are written.
//
// A scenario is a Starlark file. While it is read, it declares what there is to
// know: parameters, the environment, files, libraries, what to do before the race,
// the threads that race, and what has to be true of the process.
//
//	"""Two threads take random numbers.
//
//	Each number is to be given out once.
//	"""
//
//	n = param("n", 2, "how many numbers each thread takes", min = 1, max = 100)
//
//	def work(t):
//	    return [t.call("rand") for _ in range(n)]
//
//	thread("main", work)
//	thread("worker", work)
//
//	def distinct(p):
//	    all = p.returned("main") + p.returned("worker")
//	    if len(set(all)) != len(all):
//	        fail("a number was given out twice:", all)
//
//	check(distinct)
//
// The file is run anew for every process that is made of it, with the parameters'
// values; what it computes while it is read may depend on these and on nothing
// else. A thread's function is an ordinary function to its reader. In truth it is
// asked again after every call for the next one, with what the calls before have
// returned, because a search goes back and forth in time; so it has to be a pure
// function of these results, and Starlark, where everything global is frozen once
// the file is read, leaves it no other way. What it reads of memory it reads by
// calls as well, of routines of a few instructions, so that a search knows.
package scenariolang
