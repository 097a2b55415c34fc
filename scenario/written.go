package scenario

import (
	"path"
	"strings"
)

// Written is where the call that a racing thread makes, or has made last, is written, as FILE:LINE of a
// script, the file without its folder; "" where that is not known.
func (s *Session) Written(i int) string {
	if i < 0 || s.IsClock(i) {
		return ""
	}
	return scriptLine(s.threads[i].call.Pos)
}

// scriptLine is FILE:LINE of FILE:LINE:COLUMN.
func scriptLine(pos string) string {
	at := strings.LastIndexByte(pos, ':')
	if at < 0 {
		return ""
	}
	return path.Base(pos[:at])
}
