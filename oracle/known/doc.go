// Package known tells problems that somebody knows of already from those that are new: by
// suppressions, patterns which a person writes, and by a baseline, the list of the problems
// that there were at some time. It says which problems do not count, and nothing of what is
// made of that.
package known
