package sandbox

import "emurace/internal/printable"

// Printable is a text that may hold anything, since a script may quote the process's
// memory, as one that does a terminal no harm.
func Printable(text string) string { return printable.Text(text) }
