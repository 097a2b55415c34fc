// Package printable makes text that may be anybody's, such as a symbol's name, a file's, or what
// a process prints, text that a terminal only shows: what would move its cursor, set its title
// or turn round its lines is written as in a Go string, `\x1b`.
package printable
